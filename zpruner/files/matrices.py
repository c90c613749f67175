"""The matrices of a folder that a certificate is about."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zpruner.files.certificate import Matrix
from zpruner.files.errors import FilesError
from zpruner.files.weights import PlacedTensor

REPORT = "report.json"
TRANSPOSING = {"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp_decoder"}
"""The types of models whose matrices are stored ``[in, out]``: those with Conv1D."""
_IN_BLOCK = re.compile(r"(?:^|\.)\d+\.")
_ROUTER = re.compile(r"router|(?:^|[._])gate(?:\.weight|$)|expert_gate")


def reported_matrices(folder: Path) -> list[Matrix] | None:
    """Return the pruned matrices that a job's report lists; None if it lists none."""
    stated = _json(folder / REPORT).get("certificate")
    if stated is None:
        return None
    try:
        plain, transposed = stated["matrices"], stated["transposed"]
        matrices = [Matrix(str(name)) for name in plain]
        return matrices + [Matrix(str(name), transposed=True) for name in transposed]
    except (KeyError, TypeError):
        raise FilesError(f"{REPORT} has a malformed certificate; get it again") from None


def block_matrices(folder: Path, tensors: Mapping[str, PlacedTensor]) -> list[Matrix]:
    """Return the matrices of all numbered blocks, except for routers of experts."""
    transposed = _json(folder / "config.json").get("model_type") in TRANSPOSING
    return [
        Matrix(name, transposed)
        for name, placed in tensors.items()
        if len(placed.tensor.shape) in (2, 3)
        and _IN_BLOCK.search(name)
        and not _ROUTER.search(name)
    ]


def _json(path: Path) -> dict[str, Any]:
    """Return the object in a file; an empty one if there is no file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise FilesError(f"{path.name} is not JSON; get it again") from None
    if not isinstance(content, dict):
        raise FilesError(f"{path.name} is not a JSON object; get it again")
    return content
