"""Comparing jobs: their differences, and whether their metrics are comparable."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, Field

from api.schemas.jobs import REDUCTION
from db.core.states import JobState
from db.spec.quality_gate import Verdict, is_number, metric_value
from db.spec.reduction import reduction
from db.tables.jobs import Job

EVALUATION_FIELDS = (
    *("dataset", "text_field", "revision", "seq_len", "dtype"),
    *("eval_dataset", "eval_text_field", "eval_samples"),
)
"""Fields that change how a perplexity is measured."""

_STARTS = {True: "with a beginning-of-text token", False: "without a beginning-of-text token"}

DENSE_TOLERANCE = 1.01
"""The same dense model's perplexity may differ by up to this factor between two machines."""

FlatMetrics = dict[str, float]


class ComparedJob(BaseModel):
    """One of the compared jobs."""

    id: str
    name: str | None
    status: JobState
    verdict: Verdict
    reduction: float | None = Field(description=REDUCTION)
    metrics: dict[str, Any] | None
    deltas: FlatMetrics = Field(description="Its metrics minus those of the first job.")
    obstacles: list[str] = Field(
        description="Why its metrics cannot be compared with those of the first job."
    )


class Comparison(BaseModel):
    """A comparison of jobs, which are listed in the order of the request."""

    comparable: bool = Field(description="Whether the metrics can be compared.")
    reasons: list[str] = Field(description="Why they cannot.")
    differences: dict[str, list[Any]] = Field(
        description="The fields that differ between the jobs, with the value in each job."
    )
    jobs: list[ComparedJob]

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Self:
        reasons = list(_obstacles(jobs))
        first = flat_metrics(jobs[0].result or {})
        return cls(
            comparable=not reasons,
            reasons=reasons,
            differences=differences([job.spec.model_dump(mode="json") for job in jobs]),
            jobs=[_compared(job, jobs[0], first) for job in jobs],
        )


def differences(mappings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the keys whose values differ, with the value in each mapping (None if absent)."""
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    values = {name: [mapping.get(name) for mapping in mappings] for name in names}
    return {name: each for name, each in values.items() if any(value != each[0] for value in each)}


def flat_metrics(metrics: Mapping[str, Any], prefix: str = "") -> FlatMetrics:
    """Return all numeric metrics, without those in ``protocol``; join nested names with dots."""
    flat: FlatMetrics = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping) and name != "protocol":
            flat |= flat_metrics(value, f"{prefix}{name}.")
        elif is_number(value):
            flat[f"{prefix}{name}"] = value
    return flat


def _compared(job: Job, baseline: Job, first: FlatMetrics) -> ComparedJob:
    own = flat_metrics(job.result or {})
    return ComparedJob(
        id=job.id,
        name=job.name,
        status=job.status,
        verdict=job.verdict,
        reduction=reduction(job.result or {}),
        metrics=job.result,
        deltas={name: own[name] - first[name] for name in own if name in first},
        obstacles=[] if job.id == baseline.id else list(_obstacles([baseline, job])),
    )


def _obstacles(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield the reasons why the metrics of the jobs cannot be compared."""
    for job in jobs:
        if job.status is not JobState.succeeded:
            yield f"job {job.id} is {job.status}, so it has no metrics"
    requested = differences([job.spec.model_dump(mode="json") for job in jobs])
    if "model" in requested:
        yield f"the models differ: {_joined(requested['model'])}"
    evaluations = list(_evaluation_differences(jobs, requested))
    yield from evaluations
    yield from _task_differences(jobs)
    ranked = [digest for job in jobs if (digest := (job.result or {}).get("ranking_sha256"))]
    if len(set(ranked)) > 1:
        yield "the questions of rank_answers, or how answers were drawn, differ"
    if evaluations or "model" in requested:
        return  # then the dense perplexities differ as well
    dense = [metric_value(job.result or {}, "dense_perplexity") for job in jobs]
    known = [perplexity for perplexity in dense if perplexity is not None]
    if known and max(known) > min(known) * DENSE_TOLERANCE:
        yield (
            "the dense models' perplexities differ, so the model may have changed: "
            f"{_joined(known)}"
        )


def _evaluation_differences(
    jobs: Sequence[Job], requested: Mapping[str, Sequence[Any]]
) -> Iterator[str]:
    """Yield what differs in how the perplexities were measured."""
    protocols = [(job.result or {}).get("protocol") for job in jobs]
    if all(isinstance(protocol, dict) for protocol in protocols):
        # More reliable than the request: what the evaluation really used.
        yield from _protocol_differences([protocol or {} for protocol in protocols])
        return
    for name in EVALUATION_FIELDS:
        if name in requested:
            yield f"the evaluations differ in {name}: {_joined(requested[name])}"


def _task_differences(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield the tasks that several jobs were measured on, but not with the same items."""
    items = [(job.spec.task_limit, _items(job)) for job in jobs]
    for task in dict.fromkeys(name for _, identities in items for name in identities):
        users = [(limit, identities[task]) for limit, identities in items if task in identities]
        if any(identity != users[0][1] for _, identity in users):
            limits = dict.fromkeys(limit for limit, _ in users)
            reason = f": task_limit is {_joined(list(limits))}" if len(limits) > 1 else ""
            yield f"the items of task {task} differ{reason}"


def _items(job: Job) -> Mapping[str, object]:
    """Return what identifies the items of each task.

    It is their digest; for a job that was measured when there were no digests, the limit.
    """
    result = job.result or {}
    digests: dict[str, object] | None = result.get("items_sha256")
    return digests or dict.fromkeys(result.get("acc") or {}, job.spec.task_limit)


def _protocol_differences(protocols: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    different = differences(protocols)
    if "token_ids_sha256" not in different:  # same tokens, even if the dataset's name differs
        different = {name: values for name, values in different.items() if name == "dtype"}
    for name, values in different.items():
        if name == "bos":
            starts = [_STARTS.get(value, "not known") for value in values]
            yield f"the evaluated texts start differently: {_joined(starts)}"
        else:
            yield f"the evaluations differ in {name}: {_joined(values)}"


def _joined(values: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))
