"""Turning a folder of pruned shards into a Hugging Face model folder."""

import json
import logging
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from db.spec.inputs.job_results import PROBABILITIES
from worker.jobs.model_card import model_card
from worker.pruning.quantization import config_entry

_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".gguf", ".msgpack")
_KEPT = (".json", ".txt", ".model", ".jinja", ".tiktoken")

logger = logging.getLogger(__name__)


def copy_companions(
    source: Path,
    out: Path,
    roots: Sequence[Path] | None = None,
    *,
    own: Collection[str] = (),
    quantization: Mapping[str, Any] | None = None,
) -> None:
    """Add the configuration, generation configuration and tokenizer of ``source`` to ``out``.

    They are copied unchanged, so that ``out`` is a Hugging Face model folder, except that
    config.json gets an entry for quantised weights. If ``roots`` is given, a file that is a
    symbolic link is copied only if the link leads into ``source``, ``roots`` or the hub's cache; a
    warning is logged for each file that is not copied.

    Args:
        source: the dense model's folder.
        out: the folder that has the pruned shards.
        roots: folders that may contain models; None if any folder may.
        own: names of files that the model in ``out`` has already, so that they are not copied.
        quantization: the entry for config.json; None for weights that are not quantised.
    """
    copied = copied_files(source, roots)
    for file in (path for path in copied if path.name not in own):
        shutil.copyfile(file.resolve(), out / file.name)
    for file in _companions(source):
        if file not in copied:
            logger.warning(
                "%s is not copied: it links to a file outside the allowed folders", file.name
            )
    if quantization is not None:
        _add_to_config(out / "config.json", quantization)


def write_report(out: Path, report: dict[str, Any]) -> None:
    """Add ``report.json``, and the model card that describes the job, to ``out``.

    Args:
        out: the model's folder.
        report: everything that was measured, ready for JSON.
    """
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (out / "README.md").write_text(model_card(report))


def _add_to_config(path: Path, entry: Mapping[str, Any]) -> None:
    config = json.loads(path.read_text()) | {config_entry.NAME: entry}
    path.write_text(json.dumps(config, indent=2) + "\n")


def copied_files(source: Path, roots: Sequence[Path] | None) -> list[Path]:
    """Return the files of the dense model's folder that are copied to the pruned model's."""
    if roots is None:
        return _companions(source)
    allowed = [source, *roots, Path(constants.HF_HUB_CACHE)]
    return [file for file in _companions(source) if _is_below(file.resolve(), allowed)]


def _companions(source: Path) -> list[Path]:
    """Return the configuration, tokenizer and similar files of a model's folder."""
    others = (*_WEIGHTS, PROBABILITIES)
    named = (file for file in sorted(source.iterdir()) if file.name.endswith(_KEPT))
    return [file for file in named if file.is_file() and not file.name.endswith(others)]


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)
