"""Schemas of estimates."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from api.schemas.fields import Advice, rounded
from db.spec.advice import advice
from db.spec.prices import Price
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Estimate


class ModelSize(BaseModel):
    """The model that an estimate is for, and its size."""

    name: str
    revision: str | None = Field(description="The commit; null for a local folder.")
    parameters: int
    blocks: int


class Memory(BaseModel):
    """The job's peak use of memory and of temporary files."""

    host_bytes: int
    device_bytes: int = Field(description="On the GPU; 0 if the job runs on the CPU.")
    scratch_bytes: int = Field(description="In temporary files while it runs.")


class Seconds(BaseModel):
    """How many seconds the job will run, not counting the time in the queue."""

    p50: float
    p90: float
    jobs: int = Field(description="How many finished jobs the prediction is calibrated with.")


class LikelyCost(BaseModel):
    """What a job will cost: about `p50`, and likely less than `p90`."""

    p50: float
    p90: float
    currency: str
    hourly_price: float = Field(description="The price of an hour of a worker of the queue.")

    @classmethod
    def of(cls, seconds: dict[str, float] | None, price: Price | None) -> Self | None:
        """Return the cost of a predicted time; None without a time or a price."""
        if seconds is None or price is None:
            return None
        p50, p90 = (rounded(price.of(seconds[name])) for name in ("p50", "p90"))
        return cls(p50=p50, p90=p90, currency=price.currency, hourly_price=price.hourly)


class Basis(BaseModel):
    """What the predicted time rests on."""

    speed_measured_at: datetime = Field(description="When the machine's speed was measured.")
    speed_was_busy: bool = Field(
        description="Whether other programs used the machine then. It is soon measured again."
    )
    jobs: int = Field(description="How many finished jobs of this size have corrected the time.")
    correction: float = Field(description="The factor that they have corrected it by.")
    slowdown: float = Field(
        description="How many times as long work takes now, because other programs use the "
        "machine; 1 if it is not busy."
    )
    text: str = Field(description="The same in words.")


class ExpectedWindows(BaseModel):
    """How many windows of text the job will use, and how many tokens a window has."""

    calibration: int
    evaluation: int
    seq_len: int
    evaluation_seq_len: int | None = Field(
        default=None,
        description="Of an evaluation window, which a protocol such as `wikitext2@2048` sets; null "
        "for an estimate of an earlier release.",
    )
    training: int = Field(default=0, description="Of `recover`; a shorter text has fewer.")
    held_out: int = Field(default=0, description="Of `recover`, to watch the training with.")


class RecoveryEstimate(BaseModel):
    """The memory, temporary files, training steps and time that `recover` alone takes."""

    host_bytes: int
    device_bytes: int
    scratch_bytes: int
    steps: int
    seconds: float | None


class ComputedOn(BaseModel):
    """The device and data type for which the estimate was computed."""

    device: str
    dtype: str


class EstimateRead(BaseModel):
    """The estimated memory use, run time and output size of a job.

    The memory is that of an otherwise idle machine. The time is that of a machine that stays as
    busy as it was for the estimate; `seconds_alone` has that of an idle one.
    """

    id: str
    status: Literal["ready"] = "ready"
    spec: PruneSpec = Field(description="With all defaults filled in.")
    model: ModelSize
    fits: bool = Field(description="Whether the machine has enough memory.")
    refusal: str | None = Field(
        description="If not: what is missing, and a change that would make it fit."
    )
    queue: str | None = Field(description="The queue of the request, if it fits there.")
    memory: Memory
    seconds: Seconds | None = Field(
        description="Null if several devices share the job, or the machine's speed is unknown."
    )
    seconds_alone: Seconds | None = Field(
        default=None,
        description="The same once no other program uses the machine; null if it is not busy.",
    )
    cost: LikelyCost | None = Field(
        default=None, description="Null without `seconds`, or if the queue has no price."
    )
    basis: Basis | None = Field(
        default=None,
        description="What `seconds` rests on; null without them.",
    )
    recovery: RecoveryEstimate | None = Field(
        default=None,
        description="What `recover` takes. The time and disk space above include its own.",
    )
    artifact_bytes: int
    computed_on: ComputedOn
    setting: dict[str, Any] = Field(description="The engine's settings for the job.")
    windows: ExpectedWindows
    warnings: list[str] = Field(description="What could not be checked, and what was assumed.")
    advice: Advice
    hints: list[str] = Field(deprecated=True, description="`advice`, for clients of 0.2.")
    identical_job_id: str | None = Field(
        description="A job with the same specification that has succeeded."
    )

    @classmethod
    def of(
        cls,
        row: Estimate,
        warnings: list[str],
        identical_job_id: str | None,
        queue: str | None,
        price: Price | None = None,
    ) -> Self:
        """Return an answer; ``queue`` is that of the request, None if its workers are too small."""
        answer, advised = row.answer or {}, advice(PruneSpec.model_validate(row.spec))
        return cls.model_validate(
            answer
            | {"id": row.id, "spec": row.spec, "identical_job_id": identical_job_id}
            | {"cost": LikelyCost.of(answer.get("seconds"), price)}
            | {"queue": queue if answer["fits"] else None}
            | {"warnings": warnings + answer.get("result_warnings", []) + answer["warnings"]}
            | {"advice": advised, "hints": advised}
        )


class EstimatePending(BaseModel):
    """An estimate that is not computed yet."""

    id: str
    status: Literal["pending"] = "pending"
    spec: PruneSpec
