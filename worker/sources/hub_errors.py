"""Conversion of the hub client's errors to ``SpecRefusedError``; it names the field to change."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import constants
from huggingface_hub.errors import (  # type: ignore[attr-defined] # HTTPError: httpx's or httpx2's
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from db.core.errors import SpecRefusedError
from db.core.refusals import private_remedy

RETRY = "Try again when the hub can be reached, or name a local folder or file."
LOOKUP_TIMEOUT_S = 30.0


@contextmanager
def refusals(field: str, name: str, revision: str | None = None) -> Iterator[None]:
    """Convert errors of the hub's client in the ``with`` body to ``SpecRefusedError``.

    The error names ``field``, or the field ``revision`` if the repository has no such revision.
    Errors of this machine, such as a full disk, are raised unchanged.
    """
    try:
        yield
    except (HTTPError, OfflineModeIsEnabled, LocalEntryNotFoundError, HFValidationError) as error:
        raise _refusal(error, field, name, revision) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreachable(field, name, error) from error


def _refusal(error: Exception, field: str, name: str, revision: str | None) -> SpecRefusedError:
    kind = "model" if field == "model" else "dataset"
    where = constants.ENDPOINT
    match error:
        case RevisionNotFoundError():
            return _no_revision(field, name, revision)
        case GatedRepoError():
            reason = f"{where} requires that its terms are accepted"
            return SpecRefusedError(
                field, name, "hub_denied", reason, f"Accept them. {private_remedy(field)}"
            )
        case RepositoryNotFoundError():
            reason = f"{where} has no such {kind}"
            remedy = f"Check the name. {private_remedy(field)}"
            return SpecRefusedError(field, name, f"{kind}_not_found", reason, remedy)
        case HFValidationError():
            remedy = "Write org/name as on the hub."
            return SpecRefusedError(field, name, "invalid_name", "it is not a hub id", remedy)
        case HfHubHTTPError() if error.response.status_code in {401, 403}:
            return SpecRefusedError(
                field, name, "hub_denied", f"{where} denies access", private_remedy(field)
            )
    return _unreachable(field, name, error)


def _no_revision(field: str, name: str, revision: str | None) -> SpecRefusedError:
    if revision is None:
        reason = "the repository is empty"
        return SpecRefusedError(field, name, "revision_not_found", reason, "Check the name.")
    return SpecRefusedError(
        "revision",
        revision,
        "revision_not_found",
        f"{name} has no such branch, tag or commit",
        "Leave revision out for the default branch, or name one that exists.",
    )


def _unreachable(field: str, name: str, error: Exception) -> SpecRefusedError:
    reason = f"it could not be downloaded from {constants.ENDPOINT} ({type(error).__name__})"
    return SpecRefusedError(field, name, "hub_unreachable", reason, RETRY)
