"""How long a service may fail to respond."""

import pytest

from zpruner.client.models.jobs import Problem
from zpruner.client.transport.errors import ProblemError, ServiceError
from zpruner.client.transport.outage import Outage

UNREACHABLE = ServiceError("does not respond")
REFUSED = ProblemError(Problem(status=404))
BROKEN = ProblemError(Problem(status=503))


@pytest.mark.parametrize("error", [UNREACHABLE, BROKEN])
def test_an_unreachable_service_is_tolerated_until_the_time_is_over(
    error: ServiceError,
) -> None:
    Outage().check(error)
    with pytest.raises(ServiceError) as raised:
        Outage(within_s=-1.0).check(error)
    assert raised.value is error


def test_a_refusal_is_never_tolerated() -> None:
    with pytest.raises(ProblemError):
        Outage().check(REFUSED)


def test_a_response_restarts_the_time() -> None:
    outage = Outage(within_s=60)
    outage._answered_at -= 61
    with pytest.raises(ServiceError):
        outage.check(UNREACHABLE)
    outage.reset()
    outage.check(UNREACHABLE)
