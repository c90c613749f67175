"""How many windows a job will have, counted in small texts and guessed of others."""

from dataclasses import dataclass
from itertools import islice

from db.spec.prune_spec import PruneSpec
from db.spec.references import Builtin, DatasetReference, HubDataset, LocalPath
from worker.jobs.resources import Resources
from worker.jobs.windows import datasets_of, window_length, windows_of
from worker.pruning.model.meta_model import MetaModel
from worker.sources.datasets import DEFAULT_SAMPLES, row_length
from worker.sources.hub_datasets import BUILTIN_TEXTS
from worker.sources.models import ModelFolder
from worker.sources.rows import ids_file, too_few

READ_BYTES = 1 << 20
"""Texts of files up to this size are encoded as the job will do it."""
CHARACTERS_A_TOKEN = 4
MOST_ROWS = 10_000  # more are not counted
HELD_OUT = 0.1
EVALUATED_CHARACTERS = {
    "wikitext2": 1_290_000,
    "c4": 2_400_000,
    "ptb": 450_000,
    "pile": 1_700_000,
    "stdlib-docs": 80_000,
}
"""About how much text each built-in dataset is evaluated on."""
UNKNOWN_CHARACTERS = 1_700_000  # a tenth of the most that is read


@dataclass(frozen=True)
class Expected:
    """What the texts will come to.

    Attributes:
        calibration, evaluation: how many windows of each.
        seq_len: tokens in each.
        guesses: what was not known but guessed, in words.
    """

    calibration: int
    evaluation: int
    seq_len: int
    guesses: tuple[str, ...] = ()


def is_read(spec: PruneSpec, resources: Resources) -> bool:
    """Whether all texts of a job are files small enough to be encoded for an estimate.

    Raises:
        SpecRefusedError: one of them cannot be used.
    """
    texts = [one for one in datasets_of(spec, resources) if one is not None]
    return all(
        isinstance(one, LocalPath) and one.path.stat().st_size <= READ_BYTES for one in texts
    )


def expected_windows(
    spec: PruneSpec, model: ModelFolder, meta_model: MetaModel, resources: Resources
) -> Expected:
    """Return how many windows there will be.

    They are counted where ``is_read``, and in files of rows; of other texts they are guessed.

    Raises:
        SpecRefusedError: a file cannot be read or has too little in it, or the model has too few
            positions.
    """
    dataset, own = datasets_of(spec, resources)
    length = window_length(spec, meta_model, row_length(dataset))
    if is_read(spec, resources):
        calibration, evaluation = windows_of(spec, model, meta_model, resources)
        return Expected(len(calibration.ids), len(evaluation.ids), length)
    rows = _rows(dataset, "dataset")
    if rows is not None and spec.samples is not None and spec.samples > rows:
        raise too_few("samples", spec.samples, rows, spec.dataset)
    samples = _calibration(spec, dataset, rows, length)
    there = _known_evaluation(own, rows, samples)
    if there is not None:
        return Expected(samples, min(spec.eval_samples or there, there), length)
    if spec.eval_samples is not None:
        return Expected(samples, spec.eval_samples, length)
    count = max(1, _characters(own or dataset, own is None) // CHARACTERS_A_TOKEN // length)
    count = min(count, _most(own or dataset) or count)
    guess = f"about {count} evaluation windows, at {CHARACTERS_A_TOKEN} characters a token"
    return Expected(samples, count, length, (guess,))


def _calibration(spec: PruneSpec, dataset: DatasetReference, rows: int | None, length: int) -> int:
    """Return how many windows there are to calibrate with, given the rows if they are known."""
    samples = spec.samples or DEFAULT_SAMPLES
    if rows is not None:
        return min(samples, rows)
    if spec.samples is None and isinstance(dataset, LocalPath):
        kept = dataset.path.stat().st_size * (1 if spec.eval_dataset else 1 - HELD_OUT)
        return max(1, min(samples, int(kept) // CHARACTERS_A_TOKEN // length))
    return samples


def _known_evaluation(own: DatasetReference | None, rows: int | None, samples: int) -> int | None:
    """Return how many windows files of rows hold to measure on; None where that is no such file."""
    if own is not None:
        return _rows(own, "eval_dataset")
    # With nothing left, those of the calibration serve.
    return None if rows is None else rows - samples or samples


def _rows(reference: DatasetReference, field: str) -> int | None:
    file = ids_file(reference, field)
    return None if file is None else sum(1 for _ in islice(file.rows(), MOST_ROWS))


def _characters(reference: DatasetReference, holds_out: bool) -> int:
    match reference:
        case LocalPath(path):
            return int(path.stat().st_size * (HELD_OUT if holds_out else 1))
        case Builtin(name):
            return EVALUATED_CHARACTERS[name]
        case HubDataset():
            return UNKNOWN_CHARACTERS


def _most(reference: DatasetReference) -> int | None:
    if isinstance(reference, Builtin) and reference.name in BUILTIN_TEXTS:
        return BUILTIN_TEXTS[reference.name].eval_windows
    return None
