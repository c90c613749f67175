"""The tensors of a model that is stored in a folder."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from zpruner.training.errors import ComparisonError

INDEX = "model.safetensors.index.json"


class SafetensorsFolder(Mapping[str, Tensor]):
    """The tensors in a folder's safetensors files, by name; a tensor is read when it is accessed.

    Args:
        folder: a folder as written by ``save_pretrained``: one file, or several with an index.

    Raises:
        ComparisonError: the folder contains no safetensors file.
    """

    def __init__(self, folder: Path) -> None:
        self._files = _indexed(folder) if (folder / INDEX).is_file() else _listed(folder)
        if not self._files:
            raise ComparisonError(
                f"{folder} contains no safetensors file; name the folder of a model"
            )

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self._files[name], "pt") as file:
            tensor: Tensor = file.get_tensor(name)
            return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _indexed(folder: Path) -> dict[str, Path]:
    weight_map: dict[str, str] = json.loads((folder / INDEX).read_text())["weight_map"]
    return {name: folder / file for name, file in weight_map.items()}


def _listed(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            paths |= dict.fromkeys(file.keys(), path)
    return paths
