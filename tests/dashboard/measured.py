"""Rows of finished jobs, for pages that compare them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, update

from db.core.session import Sessions
from db.core.states import JobState
from db.spec.quality_gate import Gate, judge
from db.spec.reduction import reduction
from db.tables.jobs import BlockReport, Job, Sweep
from tests.factories import make_job, make_spec

DENSE = 20.0
BLOCKS = 16


def add_job(sessions: Sessions, name: str, perplexity: float, **row: Any) -> Job:
    """Insert a job that has succeeded, with this perplexity and a report of each block."""
    spec = make_spec(**row.pop("spec", {}))
    result = {
        "sparsity": spec.sparsity,
        "dense_perplexity": DENSE,
        "pruned_perplexity": perplexity,
        "perplexity_ratio": perplexity / DENSE,
        "intervals": {"perplexity_ratio": [0.99 * perplexity / DENSE, 1.01 * perplexity / DENSE]},
        "prune_seconds": 10.0,
        "protocol": row.pop("protocol", {"token_ids_sha256": "0" * 64, "dtype": "float32"}),
    }
    gate = None if row.get("gate") is None else Gate.model_validate(row["gate"])
    fields = {"status": JobState.succeeded, "progress": 1.0, "attempt": 1, "result": result}
    fields |= {"verdict": judge(gate, result), "reduction": reduction(result)}
    job = make_job(sessions, spec, name, **fields, **row)
    with sessions.begin() as session:
        session.execute(insert(BlockReport), [_report(job, index) for index in range(BLOCKS)])
    return job


def add_experts(sessions: Sessions, experts: int) -> Job:
    """Insert a job that has kept every second expert of each block."""
    layer = {
        "scores": [0.5 + index for index in range(experts)],
        "tokens": [10 * index for index in range(experts)],
        "kept": list(range(0, experts, 2)),
        "gate_removed": 0.25,
        "unrouted": 0.0,
    }
    job = add_job(sessions, "mixture", 25.0, spec={"method": "experts", "sparsity": 0.0})
    with sessions.begin() as session:
        for report in session.query(BlockReport).filter_by(job_id=job.id):
            report.data = {**report.data, "experts": layer}
    return job


def add_sweep(
    sessions: Sessions,
    gate: dict[str, Any] | None,
    perplexities: Sequence[tuple[Mapping[str, Any], float]],
) -> tuple[str, list[str]]:
    """Insert a sweep that has ended, and return its id and those of its jobs."""
    with sessions.begin() as session:
        sweep = Sweep(name="grid", labels={}, varied=[dict(varied) for varied, _ in perplexities])
        session.add(sweep)
        session.flush()
        sweep_id = sweep.id
    jobs = [
        add_job(sessions, "point", perplexity, spec=varied, gate=gate)
        for varied, perplexity in perplexities
    ]
    with sessions.begin() as session:
        for point, job in enumerate(jobs):
            place = {"sweep_id": sweep_id, "sweep_point": point}
            session.execute(update(Job).where(Job.id == job.id).values(**place))
    return sweep_id, [job.id for job in jobs]


def _report(job: Job, index: int) -> dict[str, Any]:
    error = 0.01 * (1 + index) * job.spec.sparsity
    figures = {"sparsity": job.spec.sparsity, "output_error": error, "prune_seconds": 1.5}
    return {
        "job_id": job.id,
        "attempt": 1,
        "index": index,
        "name": f"model.layers.{index}",
        "data": figures | {"coverage": 0.99, "layers": [], "untouched": {}},
    }
