"""The windows that a model is calibrated on, and what forward passes compute in."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, StrictInt

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place


class Dtype(StrEnum):
    """The data type of forward passes; ``auto`` is bfloat16 where the machine supports it."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class CalibrationFields(Basics):
    OPTION: ClassVar = Option(
        place=Place.calibration,
        labels={
            "samples": "Calibration windows",
            "seq_len": "Tokens per window",
            "dtype": "Forward precision",
        },
        docs={
            "seed": "The same seed on the same machine gives the same bytes.",
            "dtype": "What forward passes compute in; `auto` is bfloat16 where the machine "
            "supports it.",
        },
    )

    samples: StrictInt | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Calibration windows; 128 by default, or every row of a dataset of fewer rows.",
    )
    seq_len: StrictInt | None = Field(
        default=None,
        ge=2,
        le=32_768,
        description="Tokens per window; by default what the model allows, at most 2048.",
    )
    seed: StrictInt = Field(
        default=0, ge=0, lt=2**63, description="Seed of the draw of the calibration windows."
    )
    dtype: Dtype = Dtype.auto
