"""The field ``pins`` of a specification: inputs and versions that a job must find unchanged."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from db.core.errors import SpecRefusedError

MODEL, VERSION = "model/", "version/"
"""Prefixes of the names of pins: of a file of the model, and of a version."""
CALIBRATION, EVALUATION = "calibration", "evaluation"
"""The names of the pins of texts."""

PinName = Annotated[
    str,
    StringConstraints(
        max_length=512, pattern=r"^(calibration|evaluation|(model|version)/[^\x00-\x1f\x7f]+)$"
    ),
]
PinValue = Annotated[str, StringConstraints(max_length=128, pattern=r"^[\x21-\x7e]+$")]
Pins = Annotated[dict[PinName, PinValue], Field(max_length=4096)]


def check_pins(pins: Mapping[str, str] | None, prefix: str, found: Mapping[str, str]) -> None:
    """Check the pins whose names begin with ``prefix`` against the values that were found.

    Raises:
        SpecRefusedError: a value differs from its pin, or was not found.
    """
    for name, wanted in (pins or {}).items():
        if name.startswith(prefix) and found.get(name) != wanted:
            raise _changed(name, wanted, found.get(name))


def _changed(name: str, wanted: str, value: str | None) -> SpecRefusedError:
    field, what = "pins", {name: wanted}
    if name.startswith(VERSION):
        package = name.removeprefix(VERSION)
        reason = f"the worker has {package} {value}" if value else f"the worker has no {package}"
        remedy = "Install the pinned version on the worker, or leave this pin out."
        return SpecRefusedError(field, what, "changed_version", reason, remedy)
    reason = f"its sha256 is {value}" if value else "the model has no such file"
    remedy = "Restore the input that was pinned, or leave this pin out to use another one."
    return SpecRefusedError(field, what, "changed_input", reason, remedy)
