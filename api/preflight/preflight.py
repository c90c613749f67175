"""Checks of a job's model and datasets before the job is created."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from api.core.settings import ApiSettings
from api.core.unchecked import BY_WORKER
from api.preflight.hub import Hub, HubUnreachableError
from api.preflight.result_folders import IN_BUCKET, ResultFolders
from api.preflight.row_groups import check_row_groups
from api.preflight.shared_texts import shared_text_warnings
from api.preflight.static_checks import LocalModel, passes_static_checks
from db.access.caller_secrets import read_model_secret, require_secret
from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.files.fetched_uploads import fetch_uploads
from db.files.file_check import check_file
from db.spec.checkpoint_headers import check_weights
from db.spec.combination import check_combination
from db.spec.datasets.files import DataFile
from db.spec.datasets.upload_store import UploadStore
from db.spec.dimensions import check_dimensions
from db.spec.evaluation.question_files import question_files
from db.spec.inputs.bucket_input import UNREACHABLE, BucketInput, open_model, open_text
from db.spec.inputs.bucket_references import S3File, S3Folder
from db.spec.inputs.references import (
    Builtin,
    HubDataset,
    HubRepo,
    LocalPath,
    parse_dataset,
    parse_model,
    require_safetensors,
)
from db.spec.model_configs import check_configs
from db.spec.options.experts import copies_weights
from db.spec.outputs.allowed import check_targets
from db.spec.outputs.targets import Target
from db.spec.prune_spec import PruneSpec, named_texts

CHECK = "check of a request"
"""What the audit log says that a secret was used for."""


@dataclass(frozen=True)
class CheckedSources:
    """The model and the datasets of a job after they were checked.

    Attributes:
        warnings: texts for the caller, such as one for each check that was not possible.
        model: the model if it is in a local folder, else None.
        texts: the local dataset files, keyed by the field that names them.
        is_unreachable: whether the model is on a hub, or the model or a text in a bucket, that does
            not respond.
    """

    warnings: list[str]
    model: LocalModel | None
    texts: Mapping[str, DataFile]
    is_unreachable: bool

    def need_planner(self, spec: PruneSpec) -> bool:
        """Whether only the planner, which builds the model, can decide whether a job can run."""
        if self.is_unreachable:
            return False
        return self.model is None or not passes_static_checks(spec, self.model, self.texts)


@dataclass(frozen=True)
class _CheckedText:
    """A dataset after it was checked.

    Attributes:
        file: its file; None unless it is local.
        warnings: texts for the caller.
        is_unreachable: whether it is in a bucket that does not respond.
    """

    file: DataFile | None
    warnings: list[str]
    is_unreachable: bool = False


class Preflight:
    """Checks jobs as far as this is possible without torch."""

    def __init__(
        self,
        settings: ApiSettings,
        hub: Hub,
        sessions: Sessions,
        uploads: UploadStore,
        results: ResultFolders,
    ) -> None:
        self._settings, self._hub, self._sessions = settings, hub, sessions
        self._uploads, self._results = uploads, results

    def check(self, spec: PruneSpec, key_id: str | None) -> CheckedSources:
        """Check a job's model, datasets and settings; return the model and the datasets.

        ``key_id`` is the API key that the job counts against, whose secrets it can use.

        Raises:
            SpecRefusedError: a worker could not use the value of a field.
            ProblemError: the key may not read the result that is the model.
        """
        check_combination(spec)
        self.check_outputs(spec.output, key_id)
        fetch_uploads(self._sessions, self._uploads, spec)
        settings = self._settings
        buckets = settings.readable_buckets
        self._results.check_search(spec, key_id)
        result = self._results.folder(spec.model, key_id)
        reference = parse_model(spec.model, spec.revision, settings.model_roots, buckets, result)
        model, warnings, texts = None, list[str](), {}
        if result == IN_BUCKET:
            pass  # the planner reads it
        elif isinstance(reference, LocalPath):
            model = _local_model(reference, may_be_scaled=copies_weights(spec))
            check_row_groups(spec, model.shapes)
        else:
            secret = read_model_secret(self._sessions, settings, spec, key_id, CHECK)
            warnings += self._check_remote_model(reference, secret)
        is_unreachable = bool(warnings)
        for field, name, column in named_texts(spec):
            text = self._dataset(field, name, column)
            warnings += text.warnings
            is_unreachable |= text.is_unreachable
            if text.file is not None:
                texts[field] = text.file
        warnings += shared_text_warnings(spec, texts)
        # Only a worker knows the tasks that are no datasets.
        for questions in question_files(spec, settings.dataset_roots, settings.upload_dir):
            check_file(questions, "questions")
        return CheckedSources(warnings, model, texts, is_unreachable)

    def check_outputs(self, targets: Sequence[Target], key_id: str | None) -> None:
        """Check that the operator allows the targets, and that the key has their secrets.

        Raises:
            SpecRefusedError: a target is not allowed, or has a secret that does not exist.
        """
        check_targets(targets, self._settings.output_urls)
        if targets:
            with self._sessions() as session:
                for index, target in enumerate(targets):
                    require_secret(session, target.secret, key_id, f"output.{index}.secret")

    def _check_remote_model(self, reference: HubRepo | S3Folder, secret: str | None) -> list[str]:
        """Check the names of a model's files; return a warning if that is not possible."""
        name = reference.name
        if isinstance(reference, HubRepo):
            repo, revision = reference.id, reference.revision
            return _check_on_hub("model", name, lambda: self._hub_model(repo, revision, secret))
        model = open_model(reference, secret, self._time_limit, self._time_limit)
        return _check_in_bucket(model, model.model_objects)

    def _hub_model(self, repo: str, revision: str | None, token: str | None) -> None:
        require_safetensors(self._hub.model_files(repo, revision, token), "model", repo)

    def _dataset(self, field: str, name: str, text_field: str | None) -> _CheckedText:
        """Check a dataset; of one that is not local, only whether it exists."""
        settings = self._settings
        roots, buckets = settings.dataset_roots, settings.readable_buckets
        reference = parse_dataset(name, roots, field, settings.upload_dir, buckets=buckets)
        match reference:
            case LocalPath(path):
                file = DataFile(path, field, name, text_field)
                return _CheckedText(file, check_file(file, "peek"))
            case HubDataset(repo):
                find = partial(self._hub.find_dataset, field, repo)
                return _CheckedText(None, _check_on_hub(field, name, find))
            case S3File():
                warnings = self._check_text(reference, field)
                return _CheckedText(None, warnings, is_unreachable=bool(warnings))
            case Builtin():
                return _CheckedText(None, [])

    def _check_text(self, reference: S3File, field: str) -> list[str]:
        """Check that a text in a bucket exists and is not too large."""
        text = open_text(reference, field, self._time_limit, self._time_limit)

        def check() -> None:
            size = text.file_object(reference.file).size_bytes
            DataFile(Path(reference.file), field, reference.name).require_size(size)

        return _check_in_bucket(text, check)

    @property
    def _time_limit(self) -> timedelta:
        return timedelta(seconds=self._settings.hub_timeout_s)


def _check_on_hub(field: str, name: str, check: Callable[[], None]) -> list[str]:
    """Run a check; return a warning if the hub does not respond."""
    try:
        check()
    except HubUnreachableError as error:
        return [_unchecked(field, name, str(error))]
    return []


def _check_in_bucket(source: BucketInput, check: Callable[[], object]) -> list[str]:
    """Run a check; return a warning if the bucket's service does not respond."""
    try:
        check()
    except SpecRefusedError as error:
        if error.code != UNREACHABLE:
            raise
        return [_unchecked(source.field, source.name, error.reason)]
    return []


def _unchecked(field: str, name: str, why: str) -> str:
    return f"{field} {name} was not checked: {why}. {BY_WORKER}"


def _local_model(reference: LocalPath, *, may_be_scaled: bool) -> LocalModel:
    """Read a local model's configuration and the headers of its weight files, but no weights."""
    folder, name = reference.path, reference.name
    try:
        require_safetensors(os.listdir(folder), "model", name)
        config = check_configs(folder, name, may_be_scaled=may_be_scaled)
        shapes = check_weights(folder, name, may_be_scaled=may_be_scaled)
        check_dimensions(config, shapes, name)
        return LocalModel(config, frozenset(shapes), shapes)
    except OSError as error:
        raise SpecRefusedError(
            "model",
            name,
            "unreadable_model",
            f"its files cannot be read ({error.strerror})",
            "Name a folder with config.json and *.safetensors that the service may read.",
        ) from None
