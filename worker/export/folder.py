"""The folder a pruned model is handed over as."""

import json
import shutil
from pathlib import Path
from typing import Any

from worker.export.card import model_card

_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".pt", ".pth", ".gguf", ".msgpack")
_KEPT = (".json", ".txt", ".model", ".jinja", ".tiktoken")


def export(source: Path, out: Path, report: dict[str, Any]) -> None:
    """Complete ``out``, which holds the pruned weights, to a Hugging Face folder.

    Config, generation config and tokenizer are copied from the dense model as they stand; the
    model card and ``report.json`` say how the weights came to be.

    Args:
        source: the dense model's folder.
        out: the folder with the pruned shards.
        report: everything measured, ready for JSON.
    """
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name.endswith(_KEPT) and not file.name.endswith(_WEIGHTS):
            shutil.copyfile(file, out / file.name)
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    (out / "README.md").write_text(model_card(report))
