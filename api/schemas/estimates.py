"""What is answered about estimates, typed."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from db.core.broker_names import GPU_QUEUE
from db.spec.measured_quality import better_methods
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Estimate


class ModelSize(BaseModel):
    """The model as it was found."""

    name: str
    revision: str | None = Field(description="The commit; none for a local folder.")
    parameters: int
    blocks: int


class Memory(BaseModel):
    """The most that the job will hold."""

    host_bytes: int
    device_bytes: int = Field(description="On the GPU; 0 where the host computes.")
    scratch_bytes: int = Field(description="In scratch files while it runs.")


class Seconds(BaseModel):
    """How long it will run, once it does."""

    p50: float
    p90: float
    jobs: int = Field(description="How many ended jobs the plan was held against.")


class ExpectedWindows(BaseModel):
    """What will be computed with."""

    calibration: int
    evaluation: int
    seq_len: int


class ComputedOn(BaseModel):
    """What the figures hold for."""

    device: str
    dtype: str


class EstimateRead(BaseModel):
    """What a job would take on a machine that does nothing else."""

    id: str
    status: Literal["ready"] = "ready"
    spec: PruneSpec = Field(description="With every default filled in.")
    model: ModelSize
    fits: bool = Field(description="Whether the machine has the memory.")
    refusal: str | None = Field(description="If not: what is missing, and a change that would do.")
    queue: str | None = Field(description="Where it fits.")
    memory: Memory
    seconds: Seconds | None = Field(
        description="None where several devices share a job, or the machine's speed is not known."
    )
    artifact_bytes: int
    computed_on: ComputedOn
    setting: dict[str, Any] = Field(description="How the job would run.")
    windows: ExpectedWindows
    warnings: list[str] = Field(description="What could not be checked, and what was guessed.")
    hints: list[str] = Field(
        description="Methods that were measured to do better than the one asked for."
    )
    identical_job_id: str | None = Field(
        description="A job with exactly this specification that has succeeded."
    )

    @classmethod
    def of(cls, row: Estimate, warnings: list[str], identical_job_id: str | None) -> Self:
        """Return the face of an estimate that is found out."""
        found = row.answer or {}
        return cls.model_validate(
            found
            | {"id": row.id, "spec": row.spec, "identical_job_id": identical_job_id}
            | {"queue": GPU_QUEUE if found["fits"] else None}
            | {"warnings": warnings + found["warnings"]}
            | {"hints": better_methods(PruneSpec.model_validate(row.spec))}
        )


class EstimatePending(BaseModel):
    """An estimate that nobody has found out yet."""

    id: str
    status: Literal["pending"] = "pending"
    spec: PruneSpec
