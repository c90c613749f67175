"""A prompt that the two models of a finished job continue."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

MAX_TRIAL_TOKENS = 256
# PostgreSQL cannot store NUL, and the pattern rejects unpaired surrogates as well.
TrialPrompt = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]


class TrialRequest(BaseModel):
    """A prompt for the dense and the pruned model of a finished job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: TrialPrompt = Field(
        description="The text that both models continue, as it is: without a chat template.",
        examples=["The capital of France is"],
    )
    max_tokens: StrictInt = Field(
        default=64,
        ge=1,
        le=MAX_TRIAL_TOKENS,
        description="The number of tokens after which a continuation ends.",
    )
    seed: StrictInt | None = Field(
        default=None,
        ge=0,
        lt=2**63,
        description="Draws the tokens with this seed, at a temperature of 0.8; by default each "
        "token is the most likely one.",
    )
