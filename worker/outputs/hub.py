"""Sending a job's files to a repository of the Hugging Face hub, as one commit."""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, cast

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, set_client_factory
from huggingface_hub.errors import (  # type: ignore[attr-defined] # HTTPError: httpx's or httpx2's
    HfHubHTTPError,
    HTTPError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils._http import default_client_factory
from huggingface_hub.utils.tqdm import disable_progress_bars

from db.spec.outputs.targets import HubOutput
from worker.outputs.artifact_reader import ArtifactReader
from worker.outputs.attempt import OutputAttempt
from worker.outputs.failures import TargetError
from worker.outputs.response_limits import UNCOMPRESSED, limit_body
from worker.webhooks.response import retry_after

TIMEOUT_S = 60.0
PARALLEL = 4
WEIGHTS = re.compile(r"[^/]+\.safetensors(\.index\.json)?")


def limit_responses(timeout_s: float = TIMEOUT_S) -> None:
    """Make the hub's client give up on a server that is silent, or sends too much.

    By default it waits forever, and reads any number of bytes.
    """

    def create_client():  # type: ignore[no-untyped-def] # a client of httpx or of httpx2
        client = default_client_factory()
        client.timeout = timeout_s
        client.headers.update(UNCOMPRESSED)
        client.event_hooks = {**client.event_hooks, "response": [limit_body]}
        return client

    set_client_factory(create_client)


def send_to_hub(target: HubOutput, attempt: OutputAttempt, token: str) -> str:
    """Upload the files that the repository lacks, and make one commit; return its address.

    The commit also deletes weights of an earlier model, which would be loaded instead of these. If
    the branch already has exactly these files, there is no new commit. If the branch changes in
    between, the hub refuses the commit.

    Raises:
        TargetError: the hub refused a request, or could not be reached.
    """
    disable_progress_bars()
    api = HfApi(token=token)
    with _target_errors():
        api.create_repo(target.hub, private=target.private, exist_ok=True)
        if target.revision != "main":
            api.create_branch(target.hub, branch=target.revision, exist_ok=True)
        head = api.model_info(target.hub, revision=target.revision)
    present = {file.rfilename for file in head.siblings or []}
    with ExitStack() as stack:
        readers = {
            artifact.name: stack.enter_context(attempt.open(artifact))
            for artifact in attempt.output.artifacts
        }
        with _target_errors(readers.values()):
            commit = _commit(api, target, attempt, readers, present, head.sha)
    return f"{api.endpoint}/{target.hub}/commit/{commit}"


def _commit(
    api: HfApi,
    target: HubOutput,
    attempt: OutputAttempt,
    readers: dict[str, ArtifactReader],
    present: set[str],
    head: str | None,
) -> str:
    with attempt.progress.paused():  # the client reads each file first to hash it
        additions = [
            CommitOperationAdd(name, cast("BinaryIO", reader)) for name, reader in readers.items()
        ]
    api.preupload_lfs_files(
        target.hub,
        additions,
        revision=target.revision,
        num_threads=PARALLEL,
        free_memory=False,
    )
    for name in readers:
        attempt.progress.complete(name)
    stale = sorted(name for name in present - readers.keys() if WEIGHTS.fullmatch(name))
    attempt.require_held()
    commit = api.create_commit(
        target.hub,
        [*additions, *map(CommitOperationDelete, stale)],
        commit_message=f"Z-Pruner job {attempt.output.job_id}",
        revision=target.revision,
        parent_commit=head,
    )
    return commit.oid


def _converted(error: Exception) -> Exception:
    """Return the error of the target that caused an error of the client; else the error itself.

    Only statuses and the server's own messages are used: URLs of uploads are signed.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TargetError):
            return cause
        if isinstance(cause, HfHubHTTPError):
            status, headers = cause.response.status_code, cause.response.headers
            delay = retry_after(status, {name.lower(): value for name, value in headers.items()})
            return TargetError(status, cause.server_message or "without a message", delay)
        if isinstance(cause, HTTPError):
            return TargetError(None, f"{type(cause).__name__} {cause}".strip())
        if isinstance(cause, OfflineModeIsEnabled):
            return TargetError(None, "HF_HUB_OFFLINE is set")
        cause = cause.__cause__ or cause.__context__
    return error


@contextmanager
def _target_errors(readers: Iterable[ArtifactReader] = ()) -> Iterator[None]:
    """Convert errors of the hub's client; if reading a file failed, raise that error instead."""
    try:
        yield
    except Exception as error:
        if failure := next((reader.failure for reader in readers if reader.failure), None):
            raise failure from None
        if (converted := _converted(error)) is error:
            raise
        raise converted from None
