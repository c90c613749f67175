"""The work of one job: fetch a model and texts, prune, recover, evaluate, write a model folder."""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from db.core.states import Phase
from db.files.sealed_folder import KnownDigest
from db.spec.combinations.combination import check_combination
from db.spec.expected_inputs import MODEL, VERSION, check_expected
from db.spec.prune_spec import PruneSpec
from db.spec.references import parse_model
from worker.evaluation.perplexity import token_loss
from worker.jobs.dense_loss_cache import CachedDenseLosses
from worker.jobs.inputs import JobInputs, model_digests, shown_names, text_digests, versions
from worker.jobs.job_report import job_report
from worker.jobs.measurements.measurements import GENERATED, PACKAGED, JobMeasurements
from worker.jobs.measurements.other_results import OtherResults
from worker.jobs.measurements.quantization import measured_quantization
from worker.jobs.model_folder import copy_companions, write_report
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.provenance import Run, write_statement
from worker.jobs.recovered_model import RecoveredModel
from worker.jobs.recovery import planned_recovery, sweep_share
from worker.jobs.resources import Resources
from worker.jobs.signature import read_signer, sign_statement
from worker.jobs.sweep import start_sweep
from worker.jobs.written.smaller import whole_folder, write_smaller
from worker.jobs.written.weights import read_weights
from worker.pruning.base.compute import compute_device
from worker.pruning.distributed.launcher import rank_devices
from worker.pruning.model.shards import Shard
from worker.pruning.structure.smaller_config import CONFIG
from worker.pruning.sweep.fingerprint import dense_loss_key
from worker.pruning.sweep.results import BlockResult
from worker.sources.models import fetch_model

_STARTED = 0.02
"""The share of the work that is done before the first block."""


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
    started = datetime.now(UTC)
    signer = read_signer(resources.signing_key) if resources.signing_key else None
    job, inputs = yield from _opened(spec, resources)
    measurements, whole = JobMeasurements.open(job), whole_folder(job, out)
    whole.mkdir(exist_ok=True)
    recovery = planned_recovery(job, whole)
    pruned = recovery.pruned if recovery else whole
    pruned.mkdir(exist_ok=True)
    cached = _dense_loss_cache(job)
    sweep = start_sweep(job, pruned, cached.read())
    share = sweep_share(sweep.seconds, recovery.plan.seconds) if recovery else 1.0
    trained = measurements.start
    swept = _STARTED + share * (trained - _STARTED)
    yield JobProgress(Phase.calibrating, _STARTED, resumed_from_block=sweep.resumed_from_block)
    blocks: list[BlockResult] = []
    result = yield from sweep.progress(blocks, _STARTED, swept)
    if result.dense_losses and not result.dense_loss_known:
        cached.write(result.dense_losses)
    recovered = None
    if recovery:
        recovery_result = yield from recovery.progress(swept, trained)
        recovered = RecoveredModel.count(recovery, recovery_result, blocks)
    shards: Sequence[Shard] = recovered.result.shards if recovered else result.shards
    written, others = yield from _measured(job, measurements, blocks, shards, out)
    report = job_report(job, result, blocks, recovered, others)
    write_report(out, report)
    digests = _digests(written)
    statement = write_statement(out, digests, Run(job, inputs, result.plan, report, started))
    if signer:
        sign_statement(statement, signer)
    return JobResult(report["metrics"], digests)


def _measured(
    job: OpenedJob,
    measurements: JobMeasurements,
    blocks: Sequence[BlockResult],
    shards: Sequence[Shard],
    out: Path,
) -> Generator[JobProgress, None, tuple[Sequence[Shard], OtherResults]]:
    """Complete the model's folder ``out`` and measure the model; return the files of its weights.

    ``shards`` are the files that the sweep or the recovery has written.
    """
    whole = whole_folder(job, out)
    tasks = yield from measurements.measured_tasks(whole, shards)
    ranking = yield from measurements.measured_ranking(whole, shards)
    texts = yield from measurements.texts(whole)
    own: tuple[str, ...] = ()
    if job.recipe.is_cut:
        shards, own = (yield from write_smaller(job, out, blocks, GENERATED)), (CONFIG,)
    quantization = measured_quantization(job, blocks)
    entry = quantization.config if quantization else None
    copy_companions(job.model.path, out, job.resources.model_roots, own=own, quantization=entry)
    speed = yield from measurements.speed(out)
    yield JobProgress(Phase.packaging, PACKAGED)
    weights = yield from read_weights(job, blocks, out, shards, PACKAGED)
    return shards, OtherResults(weights, quantization, tasks, ranking, texts, speed)


def _opened(
    spec: PruneSpec, resources: Resources
) -> Generator[JobProgress, None, tuple[OpenedJob, JobInputs]]:
    """Open a job, and check that its inputs are the expected ones; return it with its inputs."""
    check_combination(spec)
    check_expected(spec.expect, VERSION, {VERSION + name: one for name, one in versions().items()})
    devices = rank_devices(compute_device(resources.device), resources.devices)
    reference = parse_model(spec.model, spec.revision, resources.model_roots, resources.buckets)
    model = fetch_model(reference, resources.model_secret())
    yield JobProgress(Phase.loading, 0.01)
    digests = yield from model_digests(model, resources)
    check_expected(spec.expect, MODEL, digests)
    job = OpenedJob.open(spec, model, devices, resources)
    for name, digest in text_digests(job).items():
        check_expected(spec.expect, name, {name: digest})
    # The names are read now, because the files may be gone when the job ends.
    return job, JobInputs(shown_names(spec, resources), digests)


def _dense_loss_cache(job: OpenedJob) -> CachedDenseLosses:
    if job.resources.baselines is None:
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
