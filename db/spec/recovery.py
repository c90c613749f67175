"""The field ``recover`` of a specification: how the pruned model is trained after the sweep."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt
from pydantic_core import PydanticCustomError

RecoveryKind = Literal["masked", "mask_lora", "spp", "ast"]
DEFAULT_TOKENS = 262_144
MAX_TOKENS = 100_000_000
"""The limit exists because the token ids of all training windows are held in memory."""


class RecoverSpec(BaseModel):
    """How the pruned model is trained to predict as the dense one does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: RecoveryKind = Field(
        description="What is trained: `masked` all kept weights; `mask_lora` a low-rank change of "
        "them; `spp` a scaling of them by rows and columns; `ast` all weights, with a mask that "
        "is chosen again as they change."
    )
    tokens: StrictInt = Field(
        default=DEFAULT_TOKENS,
        ge=1,
        le=MAX_TOKENS,
        description="Training tokens; a shorter text is used several times.",
    )
    lr: StrictFloat | None = Field(
        default=None,
        gt=0,
        le=1,
        description="The highest learning rate; by default that of the kind and the model's size.",
    )
    kl: StrictFloat = Field(
        default=0.67,
        ge=0,
        le=1,
        description="Weight of the divergence from the dense model's predictions in the loss; the "
        "rest is the cross-entropy of the text. 1 is the divergence alone.",
    )
    temperature: StrictFloat = Field(
        default=2.0,
        ge=0.1,
        le=100,
        description="What both models' logits are divided by before they are compared.",
    )


def _from_name(value: object) -> object:
    """Convert the name of a kind to an object, and ``none`` to None."""
    if isinstance(value, str):
        return None if value == "none" else {"kind": value}
    if value is None or isinstance(value, dict | RecoverSpec):
        return value
    raise PydanticCustomError("recover", "Input should be a kind such as 'masked', or an object")


Recover = Annotated[
    RecoverSpec | None,
    BeforeValidator(
        _from_name, json_schema_input_type=Literal[RecoveryKind, "none"] | RecoverSpec | None
    ),
]
