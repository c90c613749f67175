import pickle

import pytest

from worker.pruning.base.errors import (
    CheckpointError,
    DevicesError,
    InsufficientMemoryError,
    PruningError,
    RatioError,
    SmallerModelError,
    UnknownMethodError,
)

ERRORS = [
    CheckpointError("a file is damaged", "provide another"),
    CheckpointError("a file is damaged"),
    RatioError(0.9, "removes all", 0.5),
    UnknownMethodError("method", "x", ["wanda"]),
    SmallerModelError("its logits differ"),
    InsufficientMemoryError(2_000_000, 1_000_000, "free memory", "samples to 4"),
    DevicesError("cuda", 2, 1),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_of_another_process_keeps_its_message_and_its_remedy(error: PruningError) -> None:
    received = pickle.loads(pickle.dumps(error))
    assert (type(received), str(received)) == (type(error), str(error))
    assert (received.reason, received.remedy) == (error.reason, error.remedy)


def test_a_message_ends_with_the_remedy_and_the_advice_is_a_sentence() -> None:
    error = RatioError(0.9, "removes all units of a module", 0.5)
    assert str(error) == (
        "a ratio of 0.9 removes all units of a module; set ratio to 0.5, the nearest that fits"
    )
    assert error.advice == "Set ratio to 0.5, the nearest that fits."


def test_an_error_without_a_remedy_has_no_advice() -> None:
    error = CheckpointError("a file is damaged")
    assert (str(error), error.advice) == ("a file is damaged", "")
