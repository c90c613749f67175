"""The smaller model of a job that removes units: it is cut out of the model with zeros."""

from collections.abc import Generator, Sequence
from pathlib import Path

from db.core.states import Phase
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress, stops_at
from worker.jobs.result.weights import WeightMeasure
from worker.pruning.base.names import WHOLE_FOLDER
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Shard
from worker.pruning.structure.smaller_config import CONFIG, write_config
from worker.pruning.structure.smaller_model import SmallerModel
from worker.pruning.sweep.results import BlockResult

_SCRATCH = ".cut"


def whole_folder(job: OpenedJob, out: Path) -> Path:
    """Return the folder of the model that has all its shapes, possibly with zeros.

    It is ``out`` itself, unless what the job removes is cut out at the end.
    """
    return out / WHOLE_FOLDER if job.is_rewritten else out


def write_smaller(
    job: OpenedJob, whole: Path, out: Path, blocks: Sequence[BlockResult], fraction: float
) -> Generator[JobProgress, None, list[Shard]]:
    """Cut a model with zeros, and write the smaller one.

    Args:
        job: a job that removes units or blocks from its model.
        whole: the folder of the weights of the model with zeros.
        out: the folder of the smaller model.
        blocks: the results of the sweep.
        fraction: the share of the whole job that is done.

    Yields:
        Progress after each block, where the job may be interrupted.
    """
    scratch = whole / _SCRATCH  # not `whole`, whose shards may have the same names
    scratch.mkdir(exist_ok=True)
    steps = smaller_model(job, whole, blocks).write(out, scratch, WeightMeasure.of(job))
    return (yield from stops_at(fraction, Phase.packaging, steps))


def write_smaller_config(job: OpenedJob, out: Path) -> tuple[str, ...]:
    """Write the config of a model whose blocks the sweep has written smaller than they were.

    Args:
        out: the folder with the weights that the sweep has written.

    Returns:
        The names of the files that were written; none if the sweep has cut no blocks.

    Raises:
        CheckpointError: the written weights do not have the shapes of the written config.
    """
    if not job.recipe.cuts_blocks:
        return ()
    model, fields = job.meta_model, job.recipe.fields(job.meta_model)
    write_config(job.model.path, out, model.model.config, fields)
    MetaModel.open(out, model.dtype, model.device)
    return (CONFIG,)


def smaller_model(job: OpenedJob, whole: Path, blocks: Sequence[BlockResult]) -> SmallerModel:
    """Return the smaller model that is inside a model with zeros.

    Args:
        job: a job whose result is smaller than its model.
        whole: the folder of the weights of the model with zeros.
        blocks: the results of the sweep.
    """
    if (removal := job.recipe.removal) is None:
        raise ValueError("the job removes no units")
    dropped = [block.index for block in blocks if block.is_dropped]
    dtype, device = job.meta_model.dtype, job.meta_model.device
    return SmallerModel(
        job.model.path,
        MetaModel.open(job.model.path, dtype, device, weights=whole),
        removal,
        [{units.name: units.ranges for units in block.removed} for block in blocks],
        dropped,
        removal.fields(job.meta_model, dropped),
    )
