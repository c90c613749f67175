"""The calibration and evaluation windows of a job."""

from db.core.errors import SpecRefusedError
from db.spec.datafiles import DataFile
from db.spec.prune_spec import PruneSpec
from db.spec.references import DatasetReference, LocalPath, parse_dataset
from worker.jobs.resources import Resources
from worker.pruning.model.meta_model import MetaModel
from worker.sources.datasets import Windows, calibration_windows, evaluation_windows, row_length
from worker.sources.models import ModelFolder
from worker.sources.tokenizer import load_tokenizer

_MAX_DEFAULT_SEQ_LEN = 2048  # longer windows do not improve calibration


def windows_of(
    spec: PruneSpec, model: ModelFolder, meta_model: MetaModel, resources: Resources
) -> tuple[Windows, Windows]:
    """Return the calibration and the evaluation windows; both have the same length."""
    dataset, own = datasets_of(spec, resources)
    length = window_length(spec, meta_model, row_length(dataset))
    vocabulary = meta_model.model.config.get_text_config().vocab_size
    tokenizer = load_tokenizer(model.path, model.name)
    calibration = calibration_windows(
        dataset,
        tokenizer,
        samples=spec.samples,
        seq_len=length,
        seed=spec.seed,
        vocab_size=vocabulary,
        hold_out=own is None,
    )
    evaluation = evaluation_windows(
        own or dataset,
        tokenizer,
        seq_len=length,
        samples=spec.eval_samples,
        vocab_size=vocabulary,
        held_out_by=calibration if own is None else None,
    )
    return calibration, evaluation


def datasets_of(
    spec: PruneSpec, resources: Resources
) -> tuple[DatasetReference, DatasetReference | None]:
    """Return the calibration dataset, and the evaluation dataset if it is another one.

    Raises:
        SpecRefusedError: a dataset cannot be used.
    """
    dataset = _dataset(spec.dataset, "dataset", resources, spec.text_field)
    if spec.eval_dataset is None:
        return dataset, None
    return dataset, _dataset(spec.eval_dataset, "eval_dataset", resources, spec.eval_text_field)


def _dataset(
    name: str, field: str, resources: Resources, text_field: str | None
) -> DatasetReference:
    roots, uploads = resources.dataset_roots, resources.uploads
    reference = parse_dataset(name, roots, field, uploads, text_field)
    if isinstance(reference, LocalPath) and name in resources.digests:
        DataFile(reference.path, field, name).require_digest(resources.digests[name])
    return reference


def window_length(spec: PruneSpec, meta_model: MetaModel, row: int | None) -> int:
    """Return the number of tokens in each window.

    Args:
        row: the length of the dataset's rows of ``input_ids``; None for text.

    Raises:
        SpecRefusedError: the windows are longer than the model's context.
    """
    config = meta_model.model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or _MAX_DEFAULT_SEQ_LEN
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
