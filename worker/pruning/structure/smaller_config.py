"""The config of a model from which units or blocks were removed."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.durable_files import fsync
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.meta_model import MetaModel, build_model

CONFIG = "config.json"
Fields = Mapping[str, Any]
"""New values of fields of the decoder's config, by name."""


def smaller_config(config: PretrainedConfig, fields: Fields) -> PretrainedConfig:
    """Return a copy of a model's config in which fields of its decoder have other values.

    The copy is made as transformers reads a file, and so with the checks of the model's family.
    What they raise depends on the family.
    """
    smaller = deepcopy(config)
    for name, value in fields.items():
        setattr(smaller.get_text_config(), name, value)
    return type(config).from_dict(smaller.to_dict())


def check_describes(
    meta_model: MetaModel, fields: Fields, blocks: Sequence[Mapping[str, Tensor]]
) -> nn.ModuleList:
    """Check that the config with these fields describes a model of these blocks.

    Args:
        meta_model: the dense model.
        fields: the fields that change.
        blocks: the parameters of each block of the smaller model, by name; only their shapes count.

    Returns:
        The blocks of the smaller model, without weights.

    Raises:
        UnsupportedModelError: transformers builds another model from this config, or none.
    """
    try:
        config = smaller_config(meta_model.model.config, fields)
        built = build_model(config, meta_model.dtype)
    except Exception as error:  # a family's code may raise anything
        raise cannot_describe(meta_model, fields, str(error)) from error
    _, described = find_blocks(built)
    if len(described) != len(blocks):
        raise cannot_describe(meta_model, fields, f"it describes {len(described)} blocks")
    for index, (block, parameters) in enumerate(zip(described, blocks, strict=True)):
        expected = {name: tuple(value.shape) for name, value in parameters.items()}
        if (name := _difference(expected, block)) is not None:
            raise cannot_describe(meta_model, fields, f"{name} of block {index} does not fit")
    return described


def write_config(source: Path, out: Path, config: PretrainedConfig, fields: Fields) -> None:
    """Write ``config.json`` to ``out``: that of ``source``, in which fields have other values.

    Args:
        source: the folder of the dense model.
        out: the folder of the smaller model.
        config: the dense model's config.
        fields: the fields of its decoder that change.
    """
    written = json.loads((source / CONFIG).read_text("utf-8"))
    decoder = config.get_text_config()
    part = _decoder_part(written, config, decoder)
    for name, value in fields.items():
        part |= dict.fromkeys(_written_names(name, decoder.attribute_map, part), value)
    (out / CONFIG).write_text(json.dumps(written, indent=2) + "\n", "utf-8")
    fsync(out / CONFIG)


def _decoder_part(
    written: dict[str, Any], config: PretrainedConfig, decoder: PretrainedConfig
) -> dict[str, Any]:
    """Return the part of a written config that describes the decoder."""
    names = [name for name in config.sub_configs if getattr(config, name) is decoder]
    if not names and written.get("model_type") != decoder.model_type:
        # transformers builds the decoder of a larger model from the config of the decoder alone.
        parts = ((name, value) for name, value in written.items() if isinstance(value, dict))
        names = [name for name, value in parts if value.get("model_type") == decoder.model_type]
        names += [name for name in ("text_config",) if name in written]
    part: dict[str, Any] = written[names[0]] if names else written
    return part


def _written_names(
    name: str, attribute_map: Mapping[str, str], part: Mapping[str, Any]
) -> list[str]:
    """Return under which names a config has a field; its first name if it has none of them."""
    own = attribute_map.get(name, name)
    names = [own, *(alias for alias, target in attribute_map.items() if target == own)]
    return [alias for alias in names if alias in part] or [own]


def _difference(expected: Mapping[str, tuple[int, ...]], block: nn.Module) -> str | None:
    """Return the name of a parameter whose shape is another in the block; None if there is none."""
    actual = {name: tuple(value.shape) for name, value in block.named_parameters()}
    names = [*expected, *actual]
    return next((name for name in names if expected.get(name) != actual.get(name)), None)


def cannot_describe(meta_model: MetaModel, fields: Fields, reason: str) -> UnsupportedModelError:
    """Return the error that no config describes the smaller model, with a remedy."""
    kind = meta_model.config.model_type
    values = ", ".join(f"{name} {value}" for name, value in fields.items())
    return UnsupportedModelError(
        f"no config of a model of type {kind!r} describes the smaller model (with {values}: "
        f"{reason})",
        "choose a method that zeroes weights, such as wanda",
    )
