"""An engine without a model: it keeps a file for each block, and resumes at the first missing."""

from collections.abc import Callable, Generator
from hashlib import sha256
from itertools import takewhile
from pathlib import Path

from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from worker.attempts.run import Prune
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources

_UNFINISHED = ".unfinished"


def work(blocks: int = 3, within: Callable[[int], None] = lambda _: None) -> Prune:
    """Return work of some blocks that calls ``within`` in the middle of each."""

    def prune(
        spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        """Do the work of a job.

        Files of blocks may be missing anywhere: a worker may be killed while it deletes them.
        """
        files = [out / ".blocks" / str(index) for index in range(blocks)]
        files[0].parent.mkdir(exist_ok=True)
        finished = len(list(takewhile(Path.exists, files)))
        yield JobProgress(Phase.resolving, 0.0, resumed_from_block=finished or None)
        for index in range(finished, blocks):
            unfinished = out / _UNFINISHED
            unfinished.write_text(
                f"block {index} of {spec.model} after {_digests(files[:index])}\n"
            )
            within(index)
            unfinished.rename(files[index])
            report = {"sparsity": spec.sparsity}
            done = (index, blocks, f"layers.{index}")
            yield JobProgress(Phase.pruning, (index + 1) / blocks, done, report)
        model = out / "model"
        model.mkdir(exist_ok=True)
        weights = "".join(file.read_text() for file in files)
        for name, content in (("model.safetensors", weights), ("config.json", "{}")):
            (model / name).write_text(content)
        return JobResult({"sparsity": spec.sparsity})

    return prune


def _digests(files: list[Path]) -> str:
    """Return what each block depends on: all bytes of those before it."""
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


prune = work()
