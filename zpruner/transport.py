"""One HTTP request to the service, and the error it may answer with."""

import random
import time
from collections.abc import Iterator
from typing import Any

import httpx

from zpruner.models import Job, Problem

Params = dict[str, Any]
PAUSES_S = (0.2, 0.5, 1.0)
"""Between the tries of a request that may be repeated."""

PATIENCE = 5
"""How often a request is sent again that came too soon after others: it was not looked at."""


class ServiceError(Exception):
    """The service cannot be reached, or does not answer as it should."""

    @property
    def is_refusal(self) -> bool:
        """Whether the service has understood and refused: asking again changes nothing."""
        return False


class ProblemError(ServiceError):
    """The service refused; ``problem`` says what, why and what to change."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def is_refusal(self) -> bool:
        """Whether the request, not the service, is at fault."""
        return self.problem.status < 500

    def __str__(self) -> str:
        # Each field's detail names its value and remedy already; the rest would say it again.
        fields = [f"{one.pointer}: {one.detail}" for one in self.problem.errors]
        said = fields or [self.problem.detail or self.problem.title, self.problem.hint or ""]
        return "\n".join(filter(None, said))


class NoFilesError(ServiceError):
    """The job has no files to download: ``job`` says whether it goes on, or how it ended."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.job = job

    @property
    def is_refusal(self) -> bool:
        """Whether asking again changes nothing: it may once the job goes on."""
        return self.job.is_final

    def __str__(self) -> str:
        said = [f"job {self.job.id} is {self.job.status}: {self._remedy}"]
        if self.job.error is not None:
            said += [f"{self.job.error.code}: {self.job.error.detail}", self.job.error.hint or ""]
        return "\n".join(filter(None, said))

    @property
    def _remedy(self) -> str:
        if self.job.is_final:
            return "it has no files; retry it, or rerun it with changes"
        return "it has no files until it has succeeded; wait for it"


class Transport:
    """Speaks JSON to one service."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def address(self, path: str) -> str:
        """Return the whole URL of a path."""
        return str(self._http.base_url).rstrip("/") + path

    def get(self, path: str, params: Params | None = None) -> Any:
        """Return what ``path`` holds."""
        return self.send("GET", path, params=params).json()

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a successful answer, or 304.

        Raises:
            ProblemError: the service refused.
            ServiceError: it could not be reached.
        """
        response = self._request(method, path, options)
        for _ in range(PATIENCE):
            if (wait_s := _asked_wait_s(response)) is None:
                break
            time.sleep(wait_s)
            response = self._request(method, path, options)
        if response.is_error:
            raise ProblemError(problem_of(response))
        return response

    def _request(self, method: str, path: str, options: Params) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServiceError(f"{self._http.base_url} does not answer: {error}") from error

    def submit(self, path: str, body: Params, key: str) -> httpx.Response:
        """Post what is to be done once; send it again, with its key, while that is not certain.

        Raises:
            ProblemError: the service refused.
            ServiceError: it could not be reached; whether it got the request is not known.
        """
        headers = {"Idempotency-Key": key}
        for pause in PAUSES_S:
            try:
                return self.send("POST", path, json=body, headers=headers)
            except ServiceError as error:
                if error.is_refusal:
                    raise
            time.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
        return self.send("POST", path, json=body, headers=headers)

    def stream(self, path: str, headers: dict[str, str]) -> Any:
        """Open ``path`` for reading piece by piece; use as a context manager."""
        return self._http.stream("GET", path, headers=headers)

    def pages(self, path: str, params: Params | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list, page after page."""
        response = self.send("GET", path, params=params)
        yield from response.json()["data"]
        while following := response.links.get("next", {}).get("url"):
            response = self.send("GET", following)
            yield from response.json()["data"]


def problem_of(response: httpx.Response) -> Problem:
    """Read a problem document; anything else is described by its status."""
    if "json" in response.headers.get("content-type", ""):
        return Problem.model_validate(response.json())
    title = f"HTTP {response.status_code} {response.reason_phrase}"
    return Problem(title=title, status=response.status_code)


def _asked_wait_s(response: httpx.Response) -> float | None:
    """Return how long to wait before the same request is heard; None: it has been."""
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return None
    if problem_of(response).code != "rate_limited":
        return None
    written = response.headers.get("retry-after", "1")
    return min(float(written), 60.0) if written.isdecimal() else 1.0
