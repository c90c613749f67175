"""The windows of the texts on which the pruned model is compared with the dense one."""

from db.core.errors import SpecRefusedError
from db.spec.descriptions.option import UNFIT
from db.spec.options.evaluation import compared_texts
from db.spec.prune_spec import PruneSpec
from worker.jobs.opened_job import OpenedJob
from worker.jobs.windows import dataset_of, position_limit, try_parquet
from worker.pruning.sweep.evaluation import most_windows
from worker.sources.datasets import evaluation_length, evaluation_windows
from worker.sources.mixes import shares_text
from worker.sources.tokenizer import load_tokenizer
from worker.sources.windows import Windows


def compared_count(spec: PruneSpec, evaluation: int, seq_len: int) -> int:
    """Return how many windows both models run on in the end.

    ``evaluation`` is the number of evaluation windows that the sweep does not compare.
    """
    most = most_windows(seq_len)
    return min(evaluation, most) + len(spec.eval_texts) * min(spec.eval_samples or most, most)


def read_texts(job: OpenedJob) -> dict[str, Windows]:
    """Return the windows of each text, by the name that the job gives it.

    Raises:
        SpecRefusedError: a text cannot be used or is too small, or recovery trains on it.
    """
    spec, evaluation = job.spec, job.windows.evaluation
    first, *others = compared_texts(spec)
    texts = {first: evaluation.first(most_windows(evaluation.ids.shape[1]))}
    for place, name in enumerate(others):
        texts[name] = _read(job, f"eval_texts.{place}", name)
    return texts


def _read(job: OpenedJob, field: str, name: str) -> Windows:
    spec, model = job.spec, job.model
    reference = dataset_of(name, field, job.resources, None)
    try_parquet(field, reference)
    length = job.windows.calibration.ids.shape[1]
    length = evaluation_length(reference, length, position_limit(job.meta_model), model.name, field)
    found = evaluation_windows(
        reference,
        load_tokenizer(model.path, model.name),
        seq_len=length,
        vocab_size=job.meta_model.config.vocab_size,
        field=field,
    )
    _check_separate(job, field, name, found)
    return found.first(min(spec.eval_samples or most_windows(length), most_windows(length)))


def _check_separate(job: OpenedJob, field: str, name: str, text: Windows) -> None:
    trained = job.windows.recovery
    if trained is None and not job.spec.mix:
        return
    if shares_text(job.windows.calibration, text):
        reason = "it is a text that the model learns from"
        raise SpecRefusedError(field, name, UNFIT, reason, "Leave it out, or name another text.")
