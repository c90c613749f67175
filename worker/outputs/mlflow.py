"""Sending a job's numbers to an MLflow tracking server, as one run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from db.core import redaction
from db.spec.outputs.targets import MlflowOutput
from worker.outputs.attempt import OutputAttempt
from worker.outputs.failures import TargetError
from worker.outputs.mlflow_run import Point, metrics, parameters, task_table
from worker.outputs.response_limits import UNCOMPRESSED, limit_body
from worker.webhooks.response import retry_after

T = TypeVar("T")
TIMEOUT_S = 30.0
TAG = "zpruner.job"
"""The tag by which the run of a job is found again."""
BATCH = 100
"""MLflow takes at most this many parameters in one request, and more metrics."""
PROXIED = "mlflow-artifacts:"
"""The scheme of artifacts that the server stores itself, so that clients can send them to it."""
NOTE = "The files of this run are in a store that only the server's own clients reach, so that "
NOTE += "report.json was not sent."


def send_to_mlflow(target: MlflowOutput, attempt: OutputAttempt, secret: str | None) -> str:
    """Log a job's numbers to its run, which is created once; return the address of the run.

    The run is marked as finished last. Every value has the time of the job's end, so that one that
    is sent twice is stored once.

    Raises:
        TargetError: the server refused a request, or could not be reached.
    """
    report = _report(attempt)
    with _client(target, secret) as client, _target_errors():
        server = _Server(client)
        experiment = server.experiment_id(target.experiment)
        run = server.find_or_create_run(experiment, attempt)
        values = metrics(attempt.output.result, json.loads(report or "{}"))
        server.log(run["run_id"], attempt, parameters(attempt.output.spec), values)
        server.send_files(run, _files(report))
        attempt.require_held()
        server.finish(run["run_id"], _millis(attempt))
    for artifact in attempt.output.artifacts:
        attempt.progress.complete(artifact.name)
    return f"{target.mlflow.rstrip('/')}/#/experiments/{experiment}/runs/{run['run_id']}"


class _Server:
    """The requests to a tracking server."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, which is created if it does not exist."""
        try:
            response = self._get("experiments/get-by-name", experiment_name=name)
            return str(response["experiment"]["experiment_id"])
        except httpx.HTTPStatusError as error:
            if _code(error.response) != "RESOURCE_DOES_NOT_EXIST":
                raise
        return str(self._post("experiments/create", name=name)["experiment_id"])

    def find_or_create_run(self, experiment: str, attempt: OutputAttempt) -> dict[str, Any]:
        """Return the information about the job's run."""
        job_id, moment = attempt.output.job_id, _millis(attempt)
        query = f"tags.`{TAG}` = '{job_id}'"
        response = self._post(
            "runs/search", experiment_ids=[experiment], filter=query, max_results=1
        )
        if runs := response.get("runs"):
            return dict(runs[0]["info"])
        tags = [{"key": TAG, "value": job_id}]
        name = attempt.output.name or job_id
        created = self._post(
            "runs/create", experiment_id=experiment, run_name=name, start_time=moment, tags=tags
        )
        return dict(created["run"]["info"])

    def log(
        self,
        run_id: str,
        attempt: OutputAttempt,
        params: Mapping[str, str],
        values: Sequence[Point],
    ) -> None:
        """Log parameters and metrics, in batches."""
        for some in _batches(list(params.items())):
            attempt.check()
            batch = [{"key": name, "value": text} for name, text in some]
            self._post("runs/log-batch", run_id=run_id, params=batch)
        moment = _millis(attempt)
        for points in _batches(values):
            attempt.check()
            data = [
                {"key": point.name, "value": point.value, "step": point.step, "timestamp": moment}
                for point in points
            ]
            self._post("runs/log-batch", run_id=run_id, metrics=data)

    def send_files(self, run: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Store files with the run, or note that its store cannot be reached through the server."""
        uri = str(run["artifact_uri"])
        if not uri.startswith(PROXIED):
            self._post("runs/set-tag", run_id=run["run_id"], key="mlflow.note.content", value=NOTE)
            return
        folder = uri.removeprefix(PROXIED).lstrip("/")
        for name, content in files.items():
            path = quote(f"{folder}/{name}")
            sent = self._client.put(f"/api/2.0/mlflow-artifacts/artifacts/{path}", content=content)
            sent.raise_for_status()

    def finish(self, run_id: str, moment: int) -> None:
        """Mark a run as finished."""
        self._post("runs/update", run_id=run_id, status="FINISHED", end_time=moment)

    def _get(self, path: str, **params: str) -> dict[str, Any]:
        return self._parsed(self._client.get(f"/api/2.0/mlflow/{path}", params=params))

    def _post(self, path: str, **fields: Any) -> dict[str, Any]:
        return self._parsed(self._client.post(f"/api/2.0/mlflow/{path}", json=fields))

    def _parsed(self, response: httpx.Response) -> dict[str, Any]:
        response.raise_for_status()
        return dict(response.json())


def _client(target: MlflowOutput, secret: str | None) -> httpx.Client:
    """Return a client without proxies and credentials of the environment, and without redirects."""
    auth: httpx.Auth | None = None
    headers = dict(UNCOMPRESSED)
    if secret is not None:
        user, colon, password = secret.strip().partition(":")
        if colon:
            redaction.register(password)  # a server may quote it without the user
            auth = httpx.BasicAuth(user, password)
        else:
            headers["Authorization"] = f"Bearer {user}"
    return httpx.Client(
        base_url=target.mlflow.rstrip("/"),
        auth=auth,
        headers=headers,
        event_hooks={"response": [limit_body]},
        timeout=TIMEOUT_S,
        trust_env=False,
        verify=httpx.create_ssl_context(),
    )


def _batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]


def _report(attempt: OutputAttempt) -> bytes | None:
    for artifact in attempt.output.artifacts:
        with attempt.progress.paused(), attempt.open(artifact) as reader:
            return reader.read()
    return None


def _files(report: bytes | None) -> dict[str, bytes]:
    if report is None:
        return {}
    table = task_table(json.loads(report))
    return {"report.json": report} | ({"tasks.json": json.dumps(table).encode()} if table else {})


def _millis(attempt: OutputAttempt) -> int:
    return int(attempt.output.finished_at.timestamp() * 1000)


def _code(response: httpx.Response) -> object:
    """Return MLflow's code of an error; None if the response is not from MLflow."""
    try:
        document = response.json()
    except ValueError:
        return None
    return document.get("error_code") if isinstance(document, dict) else None


@contextmanager
def _target_errors() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        response = error.response
        message = response.text.strip()
        if _code(response) is not None:
            message = str(response.json().get("message", message))
        delay = retry_after(response.status_code, response.headers)
        raise TargetError(response.status_code, message or "without a message", delay) from None
    except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:  # nothing was sent
        raise TargetError(None, f"{type(error).__name__} {error}", is_final=True) from None
    except (httpx.TransportError, ValueError, KeyError) as error:  # also a response of another form
        raise TargetError(None, f"{type(error).__name__} {error}".strip()) from None
