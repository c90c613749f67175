"""The fields of a request are checked before it is sent."""

import math
from pathlib import Path
from typing import Any

import pytest

from zpruner.client.fields import job_fields


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"skip": {"*.o_proj"}}, TypeError, r"^skip \{'\*\.o_proj'\} cannot be sent as JSON"),
        ({"damping": math.nan}, ValueError, "^damping nan cannot be sent as JSON"),
        ({"output": [{"s3": Path("a")}]}, TypeError, r"^output \[.* cannot be sent as JSON"),
    ],
)
def test_a_value_that_cannot_be_sent_is_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        job_fields("org/model", 0.5, "c4", options)


def test_a_folder_as_a_model_is_refused_with_the_form_that_is_meant() -> None:
    folder: Any = Path("models/llama")
    with pytest.raises(TypeError, match="is no name of a model: write it as a text, such as local"):
        job_fields(folder, 0.5, "c4", {})
