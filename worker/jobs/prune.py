"""The work of one job: fetch a model and texts, prune, recover, evaluate, write a model folder."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from db.core.states import Phase
from db.files.sealed_folder import KnownDigest
from db.spec.combination import check_combination
from db.spec.options.expect import MODEL, SEARCH_START, VERSION, check_expected
from db.spec.options.experts import copies_weights
from db.spec.prune_spec import PruneSpec
from worker.evaluation.perplexity import token_loss
from worker.jobs.dense_loss_cache import CachedDenseLosses
from worker.jobs.increments.gradual import GradualPruning
from worker.jobs.increments.parts import job_of
from worker.jobs.increments.pruned_model import PrunedModel
from worker.jobs.increments.pruning import prune_model
from worker.jobs.inputs import JobInputs, model_digests, shown_names, text_digests, versions
from worker.jobs.job_report import job_report
from worker.jobs.model_folder import copy_companions, write_report
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import PACKAGED, JobProgress, JobResult
from worker.jobs.provenance import Run, write_statement
from worker.jobs.recipes import last_increment
from worker.jobs.resources import Resources
from worker.jobs.result.smaller import whole_folder, write_smaller, write_smaller_config
from worker.jobs.result.unit_probabilities import write_probabilities
from worker.jobs.result.weights import WeightMeasure, written_weights
from worker.jobs.signature import read_signer, sign_statement
from worker.jobs.smaller_vocabulary import smaller_vocabulary
from worker.jobs.stages.job_stages import JobStages
from worker.jobs.stages.stage import Measured, WrittenModel
from worker.jobs.target.candidates import Comparison
from worker.jobs.writing.written_text import WRITTEN, written_text
from worker.pruning.base.compute import compute_device
from worker.pruning.base.increments import AT_ONCE
from worker.pruning.base.names import SMALLER_FOLDER
from worker.pruning.base.waiting import WaitingClock
from worker.pruning.distributed.launcher import rank_devices
from worker.pruning.model.shards import Shard
from worker.pruning.structure.smaller_config import CONFIG
from worker.pruning.sweep.fingerprint import dense_loss_key
from worker.sources.models import fetch_model
from worker.sources.search_starts import local_start

_STARTED = 0.02
"""The share of the work that is done before the first block."""
_COMPARED = 0.6
"""The share that comparing methods takes of the work before the model is measured; only roughly, as
it depends on the recovery."""


def prune(
    spec: PruneSpec, out: Path, resources: Resources
) -> Generator[JobProgress, None, JobResult]:
    """Prune the model that ``spec`` names, and write the result to ``out``.

    Args:
        spec: the job's specification.
        out: an existing folder, empty or with the files of an earlier run; becomes a Hugging Face
            folder with ``report.json``. Hidden folders in it are not part of the result.
        resources: folders, devices and memory that the job may use.

    Yields:
        Progress at each change of phase, after each block, and at other points where the job can be
        interrupted.

    Raises:
        SpecRefusedError: a field of ``spec`` has a value that cannot be used.
        PruningError: the model cannot be pruned in this way, or a result is not finite.
        SigningKeyError: the signing key cannot be used.
        OSError: the disk has too little space for a recovery.
    """
    yield JobProgress(Phase.resolving, 0.0)
    started, clock = datetime.now(UTC), WaitingClock()
    signer = read_signer(resources.signing_key) if resources.signing_key else None
    job, inputs = yield from _opened(spec, out, resources)
    first = WRITTEN if job.windows.written_count else _STARTED
    stages, comparison, start = JobStages.open(job), None, first
    if job.others:
        comparison = Comparison(job, out, _dense_loss_cache(job, job))
        start = _COMPARED * stages.start
        job = yield from comparison.run(first, start)
        stages = JobStages.open(job)
    whole = whole_folder(job, out)
    whole.mkdir(exist_ok=True)
    stages = yield from stages.prepare(out)
    swept = stages.swept(job)
    pruning = _pruned(swept, whole, _dense_loss_cache(job, swept), start, stages.start)
    model = yield from (comparison.as_kept(pruning) if comparison else pruning)
    made = job_of(job, model.increment)
    written, others = yield from _measured(made, stages, model, out)
    report = job_report(swept, model, others, clock.share())
    write_report(out, report)
    if model.probabilities is not None:
        write_probabilities(out, job.model, job.meta_model, job.recipe, model.probabilities)
    digests = _digests(written)
    statement = write_statement(out, digests, Run(job, inputs, model.setting, report, started))
    if signer:
        sign_statement(statement, signer)
    return JobResult(report["metrics"], digests, tuple(report["warnings"]))


def _pruned(
    job: OpenedJob, out: Path, cached: CachedDenseLosses, start: float, end: float
) -> Generator[JobProgress, None, PrunedModel]:
    """Prune the model at once or gradually, and train it if the job has a recovery."""
    if last_increment(job.spec) == AT_ONCE:
        return (yield from prune_model(job, out, cached, start, end))
    return (yield from GradualPruning(job, out, cached).run(start, end))


def _measured(
    job: OpenedJob, stages: JobStages, model: PrunedModel, out: Path
) -> Generator[JobProgress, None, tuple[Sequence[Shard], dict[str, Measured]]]:
    """Complete the model's folder ``out`` and measure the model; return the files of its weights.

    ``model`` is the one that the sweep or the recovery has written.
    """
    folder, blocks = whole_folder(job, out), model.blocks
    shards: Sequence[Shard] = model.shards
    own = write_smaller_config(job, folder)
    config = folder if own else job.model.path
    pruned = WrittenModel(folder, shards, blocks, config, model.distances)
    measured = yield from stages.measure(pruned, is_result=False)
    if job.recipe.is_cut:
        whole, folder = folder, out if stages.rewriting is None else out / SMALLER_FOLDER
        folder.mkdir(exist_ok=True)
        shards = yield from write_smaller(job, whole, folder, blocks, stages.completed)
        own = (CONFIG,)
    if stages.rewriting is not None:
        measure, fraction = WeightMeasure.of(job), stages.completed
        shards = yield from stages.rewriting.rewrite(folder, out, measure, fraction)
    own, entry = own + stages.complete(out), stages.config_entry()
    copy_companions(job.model.path, out, job.resources.linked_folders, own=own, quantization=entry)
    result = WrittenModel(out, shards, blocks, out)
    measured |= yield from stages.measure(result, is_result=True)
    yield JobProgress(Phase.packaging, PACKAGED)
    weights = written_weights(job, blocks, shards)
    certificate = Measured(weights.metrics(), weights.report())
    return shards, {"certificate": certificate} | measured


def _opened(
    spec: PruneSpec, out: Path, resources: Resources
) -> Generator[JobProgress, None, tuple[OpenedJob, JobInputs]]:
    """Open a job, and check that its inputs are the expected ones; return it with its inputs."""
    check_combination(spec)
    check_expected(
        spec.expect, VERSION, {VERSION + name: version for name, version in versions().items()}
    )
    devices = rank_devices(compute_device(resources.device), resources.devices)
    reference, secret = resources.model_reference(spec), resources.model_secret()
    model = fetch_model(reference, secret, may_be_scaled=copies_weights(spec))
    yield JobProgress(Phase.loading, 0.01)
    if resources.search_start is None and spec.search_start is not None:
        resources = replace(resources, search_start=local_start(spec.search_start))
    if (start := resources.search_start) is not None:
        check_expected(spec.expect, SEARCH_START, {SEARCH_START: start.sha256})
    vocabulary = smaller_vocabulary(spec, model, resources)  # refused before weights are read
    digests = yield from model_digests(model, resources)
    check_expected(spec.expect, MODEL, digests)
    job = replace(OpenedJob.open(spec, model, devices, resources), vocabulary=vocabulary)
    if job.windows.written_count:
        JobStages.open(job)  # refused before the model writes
        written = yield from written_text(job, out, _STARTED)
        opened = OpenedJob.open(spec, model, devices, resources, written)
        job = replace(opened, vocabulary=vocabulary)
    texts = text_digests(job)
    for name in texts:
        check_expected(spec.expect, name, texts)
    # The names are read now, because the files may be gone when the job ends.
    return job, JobInputs(shown_names(spec, resources), digests)


def _dense_loss_cache(job: OpenedJob, swept: OpenedJob) -> CachedDenseLosses:
    """Return the cache of the dense losses; of a rotated model, they are rounded differently."""
    if job.resources.baselines is None or swept is not job:
        return CachedDenseLosses(None)
    evaluation = job.windows.evaluation.ids
    key = dense_loss_key(job.meta_model, evaluation, token_loss, job.devices[0])
    return CachedDenseLosses(job.resources.baselines / f"{key}.json")


def _digests(shards: Sequence[Shard]) -> dict[str, KnownDigest]:
    """Return the digests that were computed while the shards were written."""
    return {
        shard.name: KnownDigest(shard.sha256, shard.size_bytes, shard.modified_ns)
        for shard in shards
    }
