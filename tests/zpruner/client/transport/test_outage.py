"""What a service that does not answer is forgiven, and for how long."""

import time

import pytest

from zpruner.client.models.jobs import Problem
from zpruner.client.transport.errors import ProblemError, ServiceError
from zpruner.client.transport.outage import Outage

UNREACHABLE = ServiceError("does not answer")
REFUSED = ProblemError(Problem(status=404))
BROKEN = ProblemError(Problem(status=503))


@pytest.mark.parametrize("error", [UNREACHABLE, BROKEN])
def test_a_service_that_may_come_back_is_endured_until_the_time_is_over(
    error: ServiceError,
) -> None:
    Outage().endure(error)
    with pytest.raises(ServiceError) as raised:
        Outage(within_s=-1.0).endure(error)
    assert raised.value is error


def test_a_refusal_is_never_endured() -> None:
    with pytest.raises(ProblemError):
        Outage().endure(REFUSED)


def test_whoever_is_heard_has_all_the_time_again() -> None:
    outage = Outage(within_s=0.2)
    time.sleep(0.3)
    with pytest.raises(ServiceError):
        outage.endure(UNREACHABLE)
    outage.heard()
    outage.endure(UNREACHABLE)
