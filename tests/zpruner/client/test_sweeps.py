"""The options of the client's sweeps have types."""

from inspect import signature
from typing import Unpack, get_type_hints

import pytest

from api.schemas.sweep_request import SweepRequest
from zpruner import Client
from zpruner.client.sweeps import SweepOptions

PARAMETERS = {"model", "dataset", "grid", "jobs"}
"""The fields that are parameters of their own."""


def test_the_options_of_a_sweep_are_the_fields_of_its_request() -> None:
    assert get_type_hints(SweepOptions).keys() == SweepRequest.model_fields.keys() - PARAMETERS


@pytest.mark.parametrize("name", ["create", "preview"])
def test_the_options_of_a_sweep_are_typed(name: str, client: Client) -> None:
    parameters = signature(getattr(client.sweeps, name)).parameters
    assert parameters["options"].annotation == Unpack[SweepOptions]
