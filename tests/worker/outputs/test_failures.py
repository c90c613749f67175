from datetime import timedelta

import pytest

from db.buckets.errors import BucketError
from db.core import redaction
from db.core.access_errors import EncryptionKeyError
from db.core.errors import ArtifactDamagedError
from worker.outputs.failures import (
    SecretFormatError,
    TargetError,
    failure_of,
)

WAIT = timedelta(seconds=9)


@pytest.mark.parametrize("status", [None, 408, 409, 412, 425, 429, 500, 502, 503, 504])
def test_what_may_be_over_later_is_transient(status: int | None) -> None:
    failure = failure_of(TargetError(status, "busy", WAIT), "hub:a/b@main")
    assert (failure.is_transient, failure.retry_after) == (True, WAIT)
    assert failure.problem.code == "output_unreachable"
    assert "hub:a/b@main" in failure.problem.detail


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "output_refused"),
        (401, "output_denied"),
        (403, "output_denied"),
        (404, "output_target_missing"),
        (413, "output_too_large"),
        (507, "output_full"),
    ],
)
def test_any_other_response_is_final(status: int, code: str) -> None:
    failure = failure_of(TargetError(status, "no"), "s3://bucket")
    assert (failure.is_transient, failure.problem.code) == (False, code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ArtifactDamagedError("art_1", "a", "gone"), "artifact_damaged"),
        (EncryptionKeyError("no key"), "encryption_key"),
        (SecretFormatError("It is another."), "output_secret_format"),
    ],
)
def test_errors_of_our_own_are_final_and_explain_themselves(error: Exception, code: str) -> None:
    failure = failure_of(error, "s3://bucket")
    assert (failure.is_transient, failure.is_expected) == (False, True)
    assert failure.problem.code == code


def test_a_bucket_of_the_service_that_does_not_respond_is_tried_again() -> None:
    failure = failure_of(BucketError("no response"), "s3://bucket")
    assert (failure.is_transient, failure.is_expected) == (True, True)
    assert failure.problem.code == "storage_unavailable"


def test_a_request_that_can_never_succeed_is_not_repeated() -> None:
    failure = failure_of(TargetError(None, "the path has ..", is_final=True), "s3://bucket")
    assert (failure.is_transient, failure.problem.code) == (False, "output_refused")
    assert failure_of(TargetError(None, "no response"), "s3://bucket").is_transient


def test_an_unexpected_error_is_named_but_not_quoted() -> None:
    failure = failure_of(RuntimeError("with a secret"), "s3://bucket")
    assert (failure.is_transient, failure.is_expected) == (False, False)
    assert failure.problem.detail == "Sending to s3://bucket met RuntimeError."


def test_a_response_that_quotes_a_secret_is_redacted_and_shortened() -> None:
    redaction.register("canary.77")
    failure = failure_of(TargetError(403, "canary.77 " + "x" * 1000), "s3://bucket")
    assert "canary" not in failure.problem.detail
    assert len(failure.problem.detail) <= 500
