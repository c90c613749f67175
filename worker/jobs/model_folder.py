"""The folder a pruned model is handed over as."""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from worker.jobs.model_card import model_card

_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".gguf", ".msgpack")
_KEPT = (".json", ".txt", ".model", ".jinja", ".tiktoken")

log = logging.getLogger(__name__)


def export(
    source: Path, out: Path, report: dict[str, Any], roots: Sequence[Path] | None = None
) -> None:
    """Complete ``out``, which holds the pruned weights, to a Hugging Face folder.

    Config, generation config and tokenizer are copied from the dense model as they stand; the
    model card and ``report.json`` say how the weights came to be. What a link brings from elsewhere
    than the folder, the roots and the hub's cache is left out, and the log says so.

    Args:
        source: the dense model's folder.
        out: the folder with the pruned shards.
        report: everything measured, ready for JSON.
        roots: folders that models may lie in; None for any.
    """
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name.endswith(_KEPT) and not file.name.endswith(_WEIGHTS):
            real = file.resolve()
            if roots is None or _is_below(real, [source, *roots, Path(constants.HF_HUB_CACHE)]):
                shutil.copyfile(real, out / file.name)
            else:
                log.warning("left out %s: it is a link out of the allowed folders", file.name)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (out / "README.md").write_text(model_card(report))


def _is_below(path: Path, folders: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder.resolve()) for folder in folders)
