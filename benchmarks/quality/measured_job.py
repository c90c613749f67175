"""Runs a job in this process, without a service, to measure its quality."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from db.spec.prune_spec import PruneSpec
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

OWN_TEXT = "stdlib-docs"


def job_fields(
    model: Path, calibration: Path | None, evaluation: Path | None, **fields: Any
) -> dict[str, Any]:
    """Return the fields of a job; without ``calibration``, its dataset is ``OWN_TEXT``."""
    texts = {"dataset": calibration, "eval_dataset": evaluation}
    given = {name: f"local:{path.resolve()}" for name, path in texts.items() if path}
    return {"model": f"local:{model.resolve()}", "dataset": OWN_TEXT, **given, **fields}


def measure(
    spec: PruneSpec, baselines: Path, out: Path | None = None, task_roots: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """Run a job and return its metrics.

    Args:
        spec: the job.
        baselines: a folder that stores the dense model's loss, so that later jobs can reuse it.
        out: a folder for the result, empty or with the files of an earlier run, which is resumed.
            If it is None, the result is deleted.
        task_roots: folders with tasks of one's own for the LM Evaluation Harness.
    """
    if out is None:
        with TemporaryDirectory() as folder:
            return measure(spec, baselines, Path(folder), task_roots)
    resources = Resources(baselines=baselines, task_roots=task_roots)
    return run_to_end(prune(spec, out, resources)).metrics
