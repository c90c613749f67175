"""`zpruner doctor` says how much of a processor a job would get."""

import pytest

from worker.pool.processor_check import check_processor, finding


@pytest.mark.parametrize(
    ("share", "nice", "state", "text"),
    [
        (0.9, 5, "ok", "a thread of a job gets 90% of a processor now (ZPRUNER_WORKER_NICE=5)"),
        (
            0.1,
            5,
            "absent",
            "a thread of a job gets 10% of a processor now (ZPRUNER_WORKER_NICE=5): the machine is "
            "busy, and jobs take about 10 times as long; 0 gives jobs a larger share",
        ),
        (
            0.25,
            0,
            "absent",
            "a thread of a job gets 25% of a processor now (ZPRUNER_WORKER_NICE=0): the machine is "
            "busy, and jobs take about 4 times as long",
        ),
    ],
)
def test_a_small_share_is_reported_with_its_effect(
    share: float, nice: int, state: str, text: str
) -> None:
    found = finding(share, nice)
    assert (found.subject, found.state, found.text) == ("processor", state, text)


def test_the_share_is_measured_on_this_machine() -> None:
    found = check_processor(5)
    assert found.text.startswith("a thread of a job gets ")
    assert " 0% of a processor" not in found.text
