"""The field ``expect`` of a specification: inputs and versions that a job must find unchanged."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from db.core.errors import SpecRefusedError
from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, check_fits
from db.spec.options.removal import RemovalFields
from db.spec.options.vocabulary import VocabularyFields

MODEL, VERSION = "model/", "version/"
"""Prefixes of the names: of a file of the model, and of a version."""
CALIBRATION, EVALUATION, KEEP, VOCABULARY = "calibration", "evaluation", "keep", "vocabulary"
"""The names of the texts; those of a mix are ``calibration/0`` and so on."""
SEARCH_START = "search_start"
"""The name of the end of an earlier search."""

NAME = (
    r"^(calibration(/[0-7])?|evaluation|keep|vocabulary|search_start|"
    r"(model|version)/[^\x00-\x1f\x7f]{1,256})$"
)
VALUE = r"^[\x21-\x7e]{1,128}$"
MOST = 4096


def _check_names(expect: dict[str, str]) -> dict[str, str]:
    if wrong := next((name for name in expect if re.fullmatch(NAME, name) is None), None):
        raise PydanticCustomError(
            "input_name",
            "has {name}, which is not an input",
            {"name": wrong[:64]},
        )
    return expect


ExpectedInputs = Annotated[
    dict[str, Annotated[str, StringConstraints(pattern=VALUE)]],
    Field(max_length=MOST),
    AfterValidator(_check_names),
    WithJsonSchema(
        {
            "type": "object",
            "patternProperties": {NAME: {"type": "string", "pattern": VALUE}},
            "additionalProperties": False,
            "maxProperties": MOST,
        }
    ),
]


def check_expected(expect: Mapping[str, str] | None, prefix: str, found: Mapping[str, str]) -> None:
    """Check the values whose names begin with ``prefix`` against those that were found.

    Raises:
        SpecRefusedError: a value is not the expected one, or was not found.
    """
    for name, wanted in (expect or {}).items():
        if name.startswith(prefix) and found.get(name) != wanted:
            raise _changed(name, wanted, found.get(name))


def _changed(name: str, wanted: str, value: str | None) -> SpecRefusedError:
    expected = {name: wanted}
    if name.startswith(VERSION):
        package = name.removeprefix(VERSION)
        reason = f"the worker has {package} {value}" if value else f"the worker has no {package}"
        remedy = "Install the expected version on the worker, or leave it out of expect."
        return SpecRefusedError("expect", expected, "changed_version", reason, remedy)
    source = name.removeprefix(MODEL)
    reason = f"the sha256 of {source} is {value}" if value else f"the model has no {source}"
    remedy = "Restore the expected input, or leave it out of expect to use another one."
    return SpecRefusedError("expect", expected, "changed_input", reason, remedy)


def _check(spec: "ExpectFields") -> None:
    """Check that a job has the texts and the search whose digests it expects."""
    own = RemovalFields.of(spec)
    absent = (
        (KEEP, own.keep_dataset, f"the job has no {KEEP} text"),
        (VOCABULARY, VocabularyFields.of(spec).vocabulary, "the job keeps all tokens"),
        (SEARCH_START, own.search_start, "the job starts from no search"),
    )
    for name, value, reason in absent:
        is_absent = value is None and name in (spec.expect or {})
        check_fits("expect", spec.expect, (is_absent, reason, f"Leave {name} out of expect."))


class ExpectFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        remedies={
            "input_name": "Use the names that a job's provenance.json has: calibration, "
            "evaluation, keep, vocabulary, search_start, a file such as model/config.json, or a "
            "version such as version/torch."
        },
        docs={"expect": "[Expected inputs](provenance.md#expected-inputs)."},
    )

    expect: ExpectedInputs | None = Field(
        default=None,
        description="The SHA-256 of inputs, and versions of packages, under the names that they "
        "have in a job's provenance. The job fails before it prunes if one of them is different.",
        examples=[{"calibration": "2c26b46b68ffc68f", "version/torch": "2.13.0"}],
    )
