"""A simulator for the tests of each file."""

from collections.abc import Iterator

import pytest

from tests.simulation.schedule import Simulator, simulator


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulator]:
    with simulator() as one:
        yield one


@pytest.fixture(scope="module")
def reached() -> dict[int, set[str]]:
    """The rare situations that each batch of a file has reached."""
    return {}
