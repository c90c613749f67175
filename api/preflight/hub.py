"""Requests to the model hub before a job is accepted."""

import time
from collections.abc import Callable
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import huggingface_hub
from huggingface_hub import errors as hub_errors
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from db.core.errors import SpecRefusedError
from db.core.refusals import private_remedy
from db.spec.inputs.references import BUILTINS

PAUSE_AFTER_FAILURE_S = 30.0
"""How long to send nothing after a failure: each request would again wait for the timeout."""

HTTPError: type[Exception] = hub_errors.HTTPError  # type: ignore[attr-defined] # httpx's or httpx2's


class HubUnreachableError(Exception):
    """The name of a model or dataset could not be checked.

    The hub did not respond in time, or sent an unexpected error.
    """


class Hub:
    """A client of one hub, with a short timeout."""

    def __init__(self, endpoint: str, timeout_s: float) -> None:
        self.endpoint, self._timeout_s = endpoint, timeout_s
        self._paused_until = 0.0

    def model_files(self, repo: str, revision: str | None, token: str | None = None) -> list[str]:
        """Return the names of a model repository's files; without a token use the service's own.

        Raises:
            SpecRefusedError: there is no such repository or revision, or access is denied.
            HubUnreachableError: the hub did not respond in time, or sent an unexpected error.
        """
        info = self._request("model", repo, self._api.model_info, revision=revision, token=token)
        return [file.rfilename for file in info.siblings or []]

    def find_dataset(self, field: str, repo: str) -> None:
        """Check that a dataset repository exists.

        Raises:
            SpecRefusedError: there is no such repository, or access is denied.
            HubUnreachableError: the hub did not respond in time, or sent an unexpected error.
        """
        self._request(field, repo, self._api.dataset_info)

    @cached_property
    def _api(self) -> "huggingface_hub.HfApi":
        """The library's client, which is imported at the first request."""
        return huggingface_hub.HfApi(endpoint=self.endpoint)

    def _request(self, field: str, repo: str, request: Callable[..., Any], **options: Any) -> Any:
        if time.monotonic() < self._paused_until:
            raise HubUnreachableError(f"{self.endpoint} did not respond a moment ago")
        try:
            return request(repo, timeout=self._timeout_s, **options)
        except RevisionNotFoundError:
            raise _no_revision(repo, options["revision"]) from None
        except GatedRepoError:
            raise _denied(field, repo, self.endpoint) from None
        except (RepositoryNotFoundError, HFValidationError):
            raise _not_found(field, repo, self.endpoint) from None
        except (HTTPError, OfflineModeIsEnabled) as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code in {401, 403}:
                raise _denied(field, repo, self.endpoint) from None
            if not _is_refusal(error):
                self._paused_until = time.monotonic() + PAUSE_AFTER_FAILURE_S
            reason = f"{self.endpoint} did not respond ({type(error).__name__})"
            raise HubUnreachableError(reason) from error


def _is_refusal(error: Exception) -> bool:
    """Whether the hub refused this request but may accept the next one."""
    return isinstance(error, HfHubHTTPError) and error.response.status_code < 500


def _not_found(field: str, repo: str, endpoint: str) -> SpecRefusedError:
    kind = "model" if field == "model" else "dataset"
    reason = f"{endpoint} has no such {kind}"
    close = get_close_matches(repo, BUILTINS, n=1) if kind == "dataset" else []
    check = f"Did you mean {close[0]}?" if close else "Check the name."
    return SpecRefusedError(
        field, repo, f"{kind}_not_found", reason, f"{check} {private_remedy(field)}"
    )


def _denied(field: str, repo: str, endpoint: str) -> SpecRefusedError:
    remedy = f"Accept its terms on {endpoint}/{repo}. {private_remedy(field)}"
    return SpecRefusedError(field, repo, "hub_denied", f"{endpoint} denies access", remedy)


def _no_revision(repo: str, revision: str) -> SpecRefusedError:
    return SpecRefusedError(
        "revision",
        revision,
        "revision_not_found",
        f"{repo} has no such branch, tag or commit",
        "Leave revision out for the default branch, or name one that exists.",
    )
