"""Where the result is sent."""

from typing import ClassVar

from pydantic import Field

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place
from db.spec.outputs.targets import Outputs


class OutputFields(Basics):
    OPTION: ClassVar = Option(
        remedies={
            "output": 'Write {{"hub": "org/name", "secret": "hf-write"}}, a bucket or an MLflow '
            "server (docs/outputs.md).",
            "output_address": "Write {expected}, or leave it out.",
            "same_outputs": "Remove one of them.",
        },
        usual=("output",),
        place=Place.output,
        labels={"output": "Send the result to"},
        docs={"output": "[Outputs](outputs.md)."},
    )

    output: Outputs = Field(
        default=(),
        description="Where the result is sent once the job has succeeded: repositories of the hub, "
        "buckets (files), and MLflow servers (numbers).",
        examples=[[{"hub": "org/name", "secret": "hf-write"}]],
    )
