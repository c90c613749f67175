"""An engine without a model: it keeps a file for each block, and resumes at the first missing."""

from collections.abc import Generator
from itertools import takewhile
from pathlib import Path

from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources

BLOCKS = 3
_UNFINISHED = ".unfinished"


def prune(
    spec: PruneSpec, out: Path, resources: Resources
) -> Generator[JobProgress, None, JobResult]:
    """Do the work of a job.

    Files of blocks may be missing anywhere: a worker may be killed while it deletes them.
    """
    blocks = [out / ".blocks" / str(index) for index in range(BLOCKS)]
    blocks[0].parent.mkdir(exist_ok=True)
    finished = len(list(takewhile(Path.exists, blocks)))
    yield JobProgress(Phase.resolving, 0.0, resumed_from_block=finished or None)
    for index in range(finished, BLOCKS):
        unfinished = out / _UNFINISHED
        unfinished.write_text(f"block {index} of {spec.model}\n")
        unfinished.rename(blocks[index])
        report = {"sparsity": spec.sparsity}
        done = (index, BLOCKS, f"layers.{index}")
        yield JobProgress(Phase.pruning, (index + 1) / BLOCKS, done, report)
    model = out / "model"
    model.mkdir(exist_ok=True)
    weights = "".join(block.read_text() for block in blocks)
    for name, content in (("model.safetensors", weights), ("config.json", "{}")):
        (model / name).write_text(content)
    return JobResult({"sparsity": spec.sparsity})
