"""The numbers of windows that a job will use: requested, counted where cheap, or guessed."""

from dataclasses import dataclass, replace
from itertools import islice

from db.spec.datasets.files import ChatRow, DataFile
from db.spec.inputs.references import Builtin, DatasetReference, HubDataset, LocalPath
from db.spec.options.mix import shares_of
from db.spec.prune_spec import PruneSpec
from worker.jobs.options.recover import recovery_of
from worker.jobs.resources import Resources
from worker.jobs.windows import (
    check_recovery,
    datasets_of,
    keep_dataset_of,
    mix_of,
    position_limit,
    window_length,
    windows_of,
)
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.settings import window_count
from worker.sources.calibration import DEFAULT_SAMPLES, held_out_count
from worker.sources.datasets import evaluation_length, row_length
from worker.sources.encoding import Encoder
from worker.sources.hub_datasets import BUILTIN_TEXTS
from worker.sources.mixes import apportioned, too_few_for_share
from worker.sources.models import ModelFolder
from worker.sources.rows import ids_file, too_few
from worker.sources.tokenizer import load_tokenizer

MAX_ENCODED_BYTES = 1 << 20
"""Local files up to this size are tokenized for an estimate."""
CHARACTERS_PER_TOKEN = 4
MAX_ROWS = 10_000  # further rows are not counted
MAX_CHATS = 100
"""The number of conversations of a larger file that are rendered for an estimate."""
HELD_OUT_SHARE = 0.1
EVALUATED_CHARACTERS = {
    "wikitext2": 1_290_000,
    "c4": 2_400_000,
    "ptb": 450_000,
    "pile": 1_700_000,
    "stdlib-docs": 80_000,
    "stdlib-code": 250_000,
}
"""The approximate number of characters in the evaluation text of each built-in dataset."""
UNKNOWN_CHARACTERS = 1_700_000  # a tenth of the largest text that is read from the hub


@dataclass(frozen=True)
class ExpectedWindows:
    """The numbers of windows that a job will use.

    Attributes:
        calibration: the number of windows for calibration.
        evaluation: the number of windows for evaluation.
        seq_len: the number of tokens in each window.
        evaluation_seq_len: the number of tokens in each evaluation window, which a named protocol
            sets.
        guesses: one text, which gives the number of evaluation windows, if this number was guessed;
            otherwise empty.
        training: the number of windows that a recovery trains on; 0 without a recovery.
        held_out: the number of windows on which a recovery measures the held-out loss; 0 without a
            recovery.
        keep: the number of windows of a second calibration text; 0 without one.
    """

    calibration: int
    evaluation: int
    seq_len: int
    evaluation_seq_len: int
    guesses: tuple[str, ...] = ()
    training: int = 0
    held_out: int = 0
    keep: int = 0


def can_count_windows(spec: PruneSpec, resources: Resources) -> bool:
    """Return whether all texts of a job are local files, small enough to tokenize for an estimate.

    Raises:
        SpecRefusedError: a dataset cannot be used.
    """
    return all(
        isinstance(reference, LocalPath) and reference.path.stat().st_size <= MAX_ENCODED_BYTES
        for reference in _named_datasets(spec, resources).values()
    )


def needs_tokenizer(spec: PruneSpec, resources: Resources) -> bool:
    """Return whether the estimate needs the model's tokenizer, such as to count windows.

    Raises:
        SpecRefusedError: a dataset cannot be used.
    """
    is_cut = spec.vocabulary is not None
    return is_cut or can_count_windows(spec, resources) or bool(_chat_files(spec, resources))


def counted_windows(
    spec: PruneSpec, model: ModelFolder, meta_model: MetaModel, resources: Resources
) -> ExpectedWindows:
    """Tokenize the job's texts and count their windows."""
    windows = windows_of(spec, model, meta_model, resources)
    calibration, evaluation = windows.calibration.ids, windows.evaluation.ids
    lengths = calibration.shape[1], evaluation.shape[1]
    keep = len(windows.keep.ids) if windows.keep else 0
    counts = ExpectedWindows(len(calibration), len(evaluation), *lengths, keep=keep)
    if windows.recovery is None:
        return counts
    training, held_out = windows.recovery.training.ids, windows.recovery.held_out.ids
    return replace(counts, training=len(training), held_out=len(held_out))


def expected_windows(
    spec: PruneSpec, model: ModelFolder, meta_model: MetaModel, resources: Resources
) -> ExpectedWindows:
    """Return the numbers of the job's windows, counted where that is cheap.

    If all datasets are small local files, all windows are counted. If not, only the rows of
    ``input_ids`` files are counted, and all other numbers are requested by the job, defaults or
    guesses.

    Raises:
        SpecRefusedError: a dataset cannot be used or is too small, or the windows are longer than
            the model's context.
    """
    if can_count_windows(spec, resources):
        return counted_windows(spec, model, meta_model, resources)
    _check_chats(spec, model, resources)
    expected = _guessed_windows(spec, meta_model, resources)
    if spec.keep_dataset is not None:
        expected = replace(expected, keep=expected.calibration)
    if (settings := recovery_of(spec)) is None:
        return expected
    check_recovery(spec, settings, expected.seq_len)
    training = window_count(settings, expected.seq_len)
    return replace(expected, training=training, held_out=held_out_count(training))


def _check_chats(spec: PruneSpec, model: ModelFolder, resources: Resources) -> None:
    """Render the first conversations of each local file with the model's chat template.

    Raises:
        SpecRefusedError: there is no template, it does not accept them, or it exceeds a limit.
    """
    files = _chat_files(spec, resources)
    tokenizer = load_tokenizer(model.path, model.name) if files else None
    for file in files:
        with Encoder(tokenizer, None, file.field, file.name).chats() as render:
            for row in islice(file.rows(), MAX_CHATS):
                if isinstance(row, ChatRow):
                    render(row.messages, f"line {row.line}")


def _chat_files(spec: PruneSpec, resources: Resources) -> list[DataFile]:
    """Return the local files of the job's datasets whose rows are conversations."""
    files = [
        DataFile(reference.path, field, reference.name, reference.text_field)
        for field, reference in _named_datasets(spec, resources).items()
        if isinstance(reference, LocalPath)
    ]
    return [file for file in files if file.holds_rows and isinstance(file.first(), ChatRow)]


def _named_datasets(spec: PruneSpec, resources: Resources) -> dict[str, DatasetReference]:
    """Return the datasets of all of a job's texts, by their fields."""
    keep, mixed = keep_dataset_of(spec, resources), mix_of(spec, resources)
    dataset, own = datasets_of(spec, resources)
    named: dict[str, DatasetReference | None] = {"dataset": dataset, "eval_dataset": own}
    named |= {"keep_dataset": keep, **mixed}
    return {field: reference for field, reference in named.items() if reference is not None}


def _guessed_windows(
    spec: PruneSpec, meta_model: MetaModel, resources: Resources
) -> ExpectedWindows:
    dataset, own = datasets_of(spec, resources)
    length = window_length(spec, meta_model, row_length(dataset))
    measured = evaluation_length(own, length, position_limit(meta_model), spec.model)
    rows = _row_count(dataset, "dataset")
    if rows is not None and spec.samples is not None:
        _check_rows(spec, rows, spec.samples)
    samples = _calibration_count(spec, dataset, rows, length)
    used = apportioned(samples, shares_of(spec))[0]
    available = _known_evaluation_count(own, rows, used)
    if available is not None:
        count = min(spec.eval_samples or available, available)
        return ExpectedWindows(samples, count, length, measured)
    if spec.eval_samples is not None:
        return ExpectedWindows(samples, spec.eval_samples, length, measured)
    count = max(1, _characters(own or dataset, own is None) // CHARACTERS_PER_TOKEN // measured)
    count = min(count, _max_evaluation_count(own or dataset) or count)
    guess = f"about {count} evaluation windows, at {CHARACTERS_PER_TOKEN} characters per token"
    return ExpectedWindows(samples, count, length, measured, (guess,))


def _check_rows(spec: PruneSpec, rows: int, samples: int) -> None:
    shares = shares_of(spec)
    count = apportioned(samples, shares)[0]
    if count > rows and len(shares) > 1:
        raise too_few_for_share("dataset", spec.dataset, shares[0], count, rows)
    if count > rows:
        raise too_few("samples", samples, rows, spec.dataset)


def _calibration_count(
    spec: PruneSpec, dataset: DatasetReference, rows: int | None, length: int
) -> int:
    samples, share = spec.samples or DEFAULT_SAMPLES, shares_of(spec)[0]
    if rows is not None:
        return min(samples, int(rows / share))
    if spec.samples is None and isinstance(dataset, LocalPath):
        kept = dataset.path.stat().st_size * (1 if spec.eval_dataset else 1 - HELD_OUT_SHARE)
        windows = int(kept) // CHARACTERS_PER_TOKEN // length
        return max(1, min(samples, int(windows / share)))
    return samples


def _known_evaluation_count(
    own: DatasetReference | None, rows: int | None, used: int
) -> int | None:
    """Return the number of evaluation windows in an ``input_ids`` file; None for text.

    ``rows`` are those of ``dataset``, of which ``used`` are calibration windows.
    """
    if own is not None:
        return _row_count(own, "eval_dataset")
    # If no row is left, the calibration windows are used for evaluation, too.
    return None if rows is None else rows - used or used


def _row_count(reference: DatasetReference, field: str) -> int | None:
    file = ids_file(reference, field)
    return None if file is None else sum(1 for _ in islice(file.rows(), MAX_ROWS))


def _characters(reference: DatasetReference, holds_out: bool) -> int:
    match reference:
        case LocalPath(path):
            return int(path.stat().st_size * (HELD_OUT_SHARE if holds_out else 1))
        case Builtin(name):
            return EVALUATED_CHARACTERS[name]
        case HubDataset():
            return UNKNOWN_CHARACTERS


def _max_evaluation_count(reference: DatasetReference) -> int | None:
    if isinstance(reference, Builtin) and reference.dataset in BUILTIN_TEXTS:
        return BUILTIN_TEXTS[reference.dataset].eval_windows
    return None
