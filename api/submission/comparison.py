"""Jobs side by side: what differs, and whether their figures may be held against each other."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, Field

from db.core.states import JobState
from db.spec.quality_gate import Verdict, figure, is_number
from db.tables.jobs import Job

MEASURED_ON = (
    *("dataset", "text_field", "revision", "seq_len", "dtype"),
    *("eval_dataset", "eval_text_field", "eval_samples"),
)
"""Fields that decide what a perplexity is measured on, and with what."""

TOLERANCE = 1.01
"""How far one dense model's perplexity may be measured differently on two machines."""

Figures = dict[str, float]


class ComparedJob(BaseModel):
    """One of the jobs."""

    id: str
    name: str | None
    status: JobState
    verdict: Verdict
    metrics: dict[str, Any] | None
    deltas: Figures = Field(description="Its figures less those of the first job.")


class Comparison(BaseModel):
    """Jobs in the order that was asked for."""

    comparable: bool = Field(description="Whether the figures may be held against each other.")
    reasons: list[str] = Field(description="Why they may not.")
    differences: dict[str, list[Any]] = Field(
        description="The fields that are not the same in all jobs, each with its value in each job."
    )
    jobs: list[ComparedJob]

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Self:
        """Compare jobs with the first of them."""
        reasons = list(_reasons(jobs))
        first = figures(jobs[0].result or {})
        return cls(
            comparable=not reasons,
            reasons=reasons,
            differences=differences([job.spec.model_dump(mode="json") for job in jobs]),
            jobs=[_compared(job, first) for job in jobs],
        )


def differences(specs: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the fields whose values are not all the same, with the value of each."""
    names = dict.fromkeys(name for spec in specs for name in spec)
    values = {name: [spec.get(name) for spec in specs] for name in names}
    return {name: each for name, each in values.items() if any(one != each[0] for one in each)}


def figures(metrics: Mapping[str, Any], prefix: str = "") -> Figures:
    """Return all numbers, those inside of objects under names with dots."""
    found: Figures = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping) and name != "protocol":
            found |= figures(value, f"{prefix}{name}.")
        elif is_number(value):
            found[f"{prefix}{name}"] = value
    return found


def _compared(job: Job, first: Figures) -> ComparedJob:
    own = figures(job.result or {})
    return ComparedJob(
        id=job.id,
        name=job.name,
        status=job.status,
        verdict=job.verdict,
        metrics=job.result,
        deltas={name: own[name] - first[name] for name in own if name in first},
    )


def _reasons(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield why the figures of the jobs cannot be compared."""
    for job in jobs:
        if job.status is not JobState.succeeded:
            yield f"job {job.id} is {job.status}, so it has no figures"
    asked = differences([job.spec.model_dump(mode="json") for job in jobs])
    if "model" in asked:
        yield f"the models differ: {_listed(asked['model'])}"
    measured = [(job.result or {}).get("protocol") for job in jobs]
    if all(isinstance(one, dict) for one in measured):
        # What was really measured on tells more than what was asked for.
        yield from _unlike([one or {} for one in measured])
    else:
        for name in MEASURED_ON:
            if name in asked:
                yield f"the evaluations differ in {name}: {_listed(asked[name])}"
    dense = [figure(job.result or {}, "dense_perplexity") for job in jobs]
    if "model" not in asked and (far := _far_apart([one for one in dense if one is not None])):
        yield f"the dense models' perplexities differ, so the model may have changed: {far}"


def _unlike(protocols: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    unlike = differences(protocols)
    if "token_ids_sha256" not in unlike:  # the same tokens, whatever their text is called
        unlike = {name: values for name, values in unlike.items() if name == "dtype"}
    for name, values in unlike.items():
        yield f"the evaluations differ in {name}: {_listed(values)}"


def _far_apart(values: Sequence[float]) -> str:
    return _listed(values) if values and max(values) > min(values) * TOLERANCE else ""


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))
