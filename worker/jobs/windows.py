"""The windows of a job: for calibration, for evaluation, and for recovery."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.files.file_check import check_file
from db.spec.datasets.files import PARQUET, DataFile
from db.spec.datasets.protocols import SEPARATOR, built_in
from db.spec.descriptions.option import UNFIT
from db.spec.inputs.bucket_references import S3File
from db.spec.inputs.references import Builtin, DatasetReference, LocalPath, parse_dataset
from db.spec.options.mix import GENERATED, shares_of
from db.spec.prune_spec import PruneSpec
from worker.evaluation.overlap import overlap
from worker.jobs.options.recover import recovery_of
from worker.jobs.resources import Resources
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.settings import Recovery, window_count
from worker.sources.buckets.texts import copy_text
from worker.sources.calibration import CalibrationPart
from worker.sources.datasets import evaluation_length, evaluation_windows, row_length
from worker.sources.mixes import MixedPart, merged, shares_text, source_numbers
from worker.sources.models import ModelFolder
from worker.sources.tokenizer import load_tokenizer
from worker.sources.windows import Windows
from worker.sources.written import WrittenPart

_MAX_DEFAULT_SEQ_LEN = 2048  # longer windows do not improve calibration


@dataclass(frozen=True)
class RecoveryTexts:
    """The encoded texts that a recovery trains on, and measures its held-out loss on.

    Attributes:
        training: the windows to train on.
        held_out: the windows to measure on.
        sources: the number of the text that each held-out window is from.
    """

    training: Windows
    held_out: Windows
    sources: tuple[int, ...]

    @classmethod
    def of(cls, training: Windows, held_out: Windows) -> Self:
        """Return the texts of a whole recovery, as a mix has drawn them."""
        return cls(training, held_out, tuple(source_numbers(held_out)))


@dataclass(frozen=True)
class JobWindows:
    """All windows of a job.

    They have the same length, except that a named protocol has one of its own for the evaluation.

    Attributes:
        calibration: the windows on which the inputs of layers are measured.
        evaluation: the windows on which perplexity is measured.
        recovery: the windows for a recovery; None for a job without one.
        keep: the calibration windows of ``keep_dataset``; channels that matter on this text are not
            removed. None without one.
    """

    calibration: Windows
    evaluation: Windows
    recovery: RecoveryTexts | None = None
    keep: Windows | None = None

    @property
    def calibration_ids(self) -> Tensor:
        """All token ids of the calibration, those of a second text last, ``[windows, tokens]``."""
        texts = [self.calibration] if self.keep is None else [self.calibration, self.keep]
        return torch.cat([text.ids for text in texts])

    def overlap(self, text: Windows | None = None) -> float | None:
        """Return the share of a text, by default the evaluation, that the model was made with."""
        seen = [self.calibration_ids]
        if self.recovery is not None:
            seen.append(self.recovery.training.ids)
        return overlap(seen, (text or self.evaluation).ids)

    @property
    def written_count(self) -> int:
        """The number of windows that the dense model writes; 0 if it writes none."""
        calibration = _written(self.calibration) if len(self.calibration.ids) else 0
        if (recovery := self.recovery) is None:
            return calibration
        return max(calibration, _written(recovery.training) + _written(recovery.held_out))


def windows_of(
    spec: PruneSpec,
    model: ModelFolder,
    meta_model: MetaModel,
    resources: Resources,
    written: Tensor | None = None,
) -> JobWindows:
    """Return the windows of a job.

    ``written`` are the windows that the dense model has written for it. Without them, windows of
    zeros stand in their places.

    Raises:
        SpecRefusedError: a dataset cannot be used, or is too small.
    """
    dataset, own = datasets_of(spec, resources)
    try_parquet("dataset", dataset)
    try_parquet("eval_dataset", own)
    length = window_length(spec, meta_model, row_length(dataset))
    measured = evaluation_length(own, length, position_limit(meta_model), spec.model)
    vocabulary = meta_model.config.vocab_size
    tokenizer = load_tokenizer(model.path, model.name)
    hold_out = own is None or has_protocol(spec, dataset)
    part = CalibrationPart(dataset, tokenizer, length, vocabulary, hold_out=hold_out)
    further = _further_parts(spec, resources, part, written)
    mix = MixedPart(part, tuple(further), shares_of(spec))
    sources = mix.by_source(spec.samples, spec.seed)
    calibration = merged(sources)
    evaluation = evaluation_windows(
        own or dataset,
        tokenizer,
        seq_len=measured,
        samples=spec.eval_samples,
        vocab_size=vocabulary,
        held_out_by=sources[0] if own is None else None,
    )
    _check_unmixed(further, sources[1:], evaluation)
    keep = _keep_windows(spec, resources, part)
    if (settings := recovery_of(spec)) is None:
        return JobWindows(calibration, evaluation, keep=keep)
    _check_separate(spec, calibration, evaluation)
    check_recovery(spec, settings, length)
    number, used = window_count(settings, length), [len(source.ids) for source in sources]
    drawn = mix.training_windows(number, used, spec.seed, resources.devices)
    return JobWindows(calibration, evaluation, RecoveryTexts.of(*drawn), keep)


def _written(text: Windows) -> int:
    """Return how many of some windows the dense model has written."""
    sources = text.provenance.get("sources", [])
    return sum(source["windows"] for source in sources if source["dataset"] == GENERATED)


def _further_parts(
    spec: PruneSpec,
    resources: Resources,
    first: CalibrationPart,
    written: Tensor | None,
) -> list[CalibrationPart | WrittenPart]:
    """Return the calibration parts of the texts that are mixed with ``dataset``."""
    references, parts = mix_of(spec, resources), list[CalibrationPart | WrittenPart]()
    for place, text in enumerate(spec.mix):
        if text.generated:
            parts.append(WrittenPart(f"mix.{place}", first.seq_len, written))
            continue
        reference = references[field := f"mix.{place}.dataset"]
        try_parquet(field, reference)
        hold_out = has_protocol(spec, reference)
        parts.append(replace(first, reference=reference, hold_out=hold_out, field=field))
    return parts


def mix_of(spec: PruneSpec, resources: Resources) -> dict[str, DatasetReference]:
    """Return the datasets that are mixed with ``dataset``, by their fields.

    Raises:
        SpecRefusedError: one of them cannot be used.
    """
    return {
        (field := f"mix.{place}.dataset"): dataset_of(
            text.dataset, field, resources, text.text_field
        )
        for place, text in enumerate(spec.mix)
        if text.dataset is not None
    }


def _keep_windows(
    spec: PruneSpec, resources: Resources, calibration: CalibrationPart
) -> Windows | None:
    """Return the windows of a second text, as long and as many as those of the calibration."""
    if (reference := keep_dataset_of(spec, resources)) is None:
        return None
    try_parquet("keep_dataset", reference)
    hold_out = has_protocol(spec, reference)
    part = replace(calibration, reference=reference, hold_out=hold_out, field="keep_dataset")
    return part.windows(spec.samples, spec.seed)


def keep_dataset_of(spec: PruneSpec, resources: Resources) -> DatasetReference | None:
    """Return the second calibration text; None if the job names none.

    Raises:
        SpecRefusedError: the dataset cannot be used.
    """
    if spec.keep_dataset is None:
        return None
    return dataset_of(spec.keep_dataset, "keep_dataset", resources, spec.keep_text_field)


def try_parquet(field: str, reference: DatasetReference | None) -> None:
    """Read a Parquet file in a process with limits, because a small one can fill all memory.

    The API has read the first rows only.
    """
    if isinstance(reference, LocalPath):
        file = DataFile(reference.path, field, reference.name, reference.text_field)
        if file.suffix == PARQUET:
            check_file(file, "read")


def _check_separate(spec: PruneSpec, calibration: Windows, evaluation: Windows) -> None:
    """Check that an evaluation dataset is not a text that recovery trains on."""
    if spec.eval_dataset is not None and shares_text(calibration, evaluation):
        raise SpecRefusedError(
            "eval_dataset",
            spec.eval_dataset,
            UNFIT,
            "it is the text that recover trains on",
            "Leave it out, so that a part of dataset is held out, or name another text.",
        )


def _check_unmixed(
    parts: Sequence[CalibrationPart | WrittenPart], mixed: Sequence[Windows], evaluation: Windows
) -> None:
    """Check that none of the texts that are mixed with ``dataset`` is evaluated on."""
    for part, windows in zip(parts, mixed, strict=True):
        if shares_text(windows, evaluation):
            raise SpecRefusedError(
                part.field,
                part.name,
                UNFIT,
                "it is the text that perplexity is measured on",
                "Leave it out of the mix, or measure on another text.",
            )


def check_recovery(spec: PruneSpec, settings: Recovery, length: int) -> None:
    """Check that each step of a gradual job has a window of ``length`` tokens to learn from.

    Raises:
        SpecRefusedError: the recovery has fewer windows than the job has steps, or leaves out all
            that its windows predict.
    """
    if length < settings.skip + 2:  # nothing predicts the first token of a window
        reason = (
            f"windows of {length} tokens have none to learn from after the first {settings.skip}"
        )
        remedy = f"Set it to {length - 2} or less, or seq_len to {settings.skip + 2} or more."
        raise SpecRefusedError("recover.skip", settings.skip, UNFIT, reason, remedy)
    steps, number = spec.steps or 1, window_count(settings, length)
    if number < steps:
        reason = f"the tokens of recover are {number} windows, and each step takes one"
        remedy = f"Set steps to {number} or less, or the tokens of recover to {steps * length}."
        raise SpecRefusedError("steps", steps, UNFIT, reason, remedy)


def datasets_of(
    spec: PruneSpec, resources: Resources
) -> tuple[DatasetReference, DatasetReference | None]:
    """Return the calibration dataset, and the evaluation dataset if the job names one.

    Raises:
        SpecRefusedError: a dataset cannot be used.
    """
    dataset = dataset_of(spec.dataset, "dataset", resources, spec.text_field)
    if spec.eval_dataset is None:
        return dataset, None
    return dataset, dataset_of(spec.eval_dataset, "eval_dataset", resources, spec.eval_text_field)


def dataset_of(
    name: str, field: str, resources: Resources, text_field: str | None
) -> DatasetReference:
    """Return the dataset that a field names.

    Raises:
        SpecRefusedError: the dataset cannot be used.
    """
    roots, uploads = resources.dataset_roots, resources.uploads
    reference = parse_dataset(name, roots, field, uploads, text_field, resources.buckets)
    if isinstance(reference, S3File):
        return copy_text(reference, field)
    if isinstance(reference, LocalPath):
        resources.require_unchanged(DataFile(reference.path, field, name))
    return reference


def window_length(spec: PruneSpec, meta_model: MetaModel, row: int | None) -> int:
    """Return the number of tokens in each window.

    Args:
        row: the length of the dataset's rows of ``input_ids``; None for text.

    Raises:
        SpecRefusedError: the windows are longer than the model's context, or longer than 2048
            tokens if the model's configuration names no context length.
    """
    limit = position_limit(meta_model)
    length = spec.seq_len or row or min(_MAX_DEFAULT_SEQ_LEN, limit)
    if length > limit:
        raise SpecRefusedError(
            "seq_len",
            length,
            "seq_len_too_long",
            f"{spec.model} has {limit} positions",
            f"Set seq_len to {limit} or less.",
        )
    return int(length)


def has_protocol(spec: PruneSpec, dataset: DatasetReference) -> bool:
    """Whether a job measures by a named protocol on a part of a dataset that calibrates."""
    measured = (spec.eval_dataset or "", *spec.eval_texts)
    protocols = [built_in(name) for name in measured if SEPARATOR in name]
    return isinstance(dataset, Builtin) and dataset.dataset in protocols


def position_limit(meta_model: MetaModel) -> int:
    """Return the longest input of a model; 2048 if its configuration names no context length."""
    config = meta_model.config
    return int(getattr(config, "max_position_embeddings", None) or _MAX_DEFAULT_SEQ_LEN)
