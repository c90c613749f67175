"""Models whose matrices are stored as 8-bit floats with a scale for each block of a matrix."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from worker.pruning.model.checkpoint import INDEX, WHOLE

SIDE = 8
_HIGHEST = 448.0  # of the 8-bit floats
_ROUTER = ".gate.weight"


def scale_matrices(folder: Path, side: int = SIDE, others: Collection[str] = ()) -> Path:
    """Store the matrices of a model's blocks, but not the routers, with scales of square blocks.

    ``others`` are the names of matrices outside the blocks that are stored in this way as well.
    """
    stored = _tensors(folder)
    for name, value in list(stored.items()):
        is_of_block = value.ndim == 2 and ".layers." in name and not name.endswith(_ROUTER)
        if is_of_block or name in others:
            values = torch.empty(value.shape, dtype=torch.float8_e4m3fn)
            sizes = [-(-size // side) for size in value.shape]
            scales = torch.empty(sizes)
            for place, block in _blocks(value, side):
                scales[place] = block.abs().max() / _HIGHEST
            for (place, block), (_, target) in zip(
                _blocks(value, side), _blocks(values, side), strict=True
            ):
                target.copy_(block / scales[place])
            stored |= {name: values, f"{name}_scale_inv": scales}
    _replace(folder, stored)
    entry = {
        "quant_method": "fp8",
        "fmt": "e4m3",
        "activation_scheme": "dynamic",
        "weight_block_size": [side, side],
        "modules_to_not_convert": ["lm_head"],
    }
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": entry}))
    return folder


def unscale_matrices(folder: Path, side: int = SIDE) -> Path:
    """Store each value times its scale instead, in float32, block by block."""
    stored = _tensors(folder)
    for name in [name for name in stored if name.endswith("_scale_inv")]:
        scales, weight = stored.pop(name), name.removesuffix("_scale_inv")
        stored[weight] = stored[weight].float()
        for place, block in _blocks(stored[weight], side):
            block.mul_(scales[place])
    _replace(folder, stored)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["quantization_config"]
    path.write_text(json.dumps(config))
    return folder


def _blocks(matrix: Tensor, side: int) -> Iterator[tuple[tuple[int, int], Tensor]]:
    """Yield each block of a matrix, after its place."""
    for row, rows in enumerate(torch.split(matrix, side, 0)):
        for column, block in enumerate(torch.split(rows, side, 1)):
            yield (row, column), block


def _tensors(folder: Path) -> dict[str, Tensor]:
    files = folder.glob("*.safetensors")
    return {name: value for file in files for name, value in load_file(file).items()}


def _replace(folder: Path, stored: dict[str, Tensor]) -> None:
    for file in [*folder.glob("*.safetensors"), *folder.glob(INDEX)]:
        file.unlink()
    save_file(stored, folder / WHOLE, {"format": "pt"})
