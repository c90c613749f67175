"""Checks that refuse models whose configuration asks for custom code or quantized weights."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from db.core.errors import SpecRefusedError
from db.core.refusals import refused
from zpruner.files.strict_json import parse_json

CONFIGS = (
    "config.json",
    "tokenizer_config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
)
MAX_CONFIG_BYTES = 16 << 20
MAX_TYPE = 100
"""The most characters of a model type, which error messages repeat."""
_OF_EXPERT = re.compile(r"\bexperts\.\d")


def check_configs(
    folder: Path, name: str, *, may_be_quantized: bool = False, may_be_scaled: bool = False
) -> dict[str, Any]:
    """Read and check the folder's configuration files.

    Args:
        folder: the model's folder.
        name: the name of the model, for errors.
        may_be_quantized: whether a model with quantised weights is accepted.
        may_be_scaled: whether one is whose weights are as `is_scaled` says.

    Returns:
        The content of config.json; empty if there is no such file.

    Raises:
        SpecRefusedError: ``custom_code``, ``quantized`` or ``malformed_config``.
    """
    present = [file for file in CONFIGS if os.path.lexists(folder / file)]
    configs = {file: _read(folder / file, name) for file in present}
    _check_kind(configs.get("config.json", {}), folder, name)
    for file, config in configs.items():
        for key, value in _entries(config):
            _check_code(name, file, key, value)
            if not may_be_quantized:
                _check_weights(name, file, key, value, may_be_scaled)
    return configs.get("config.json", {})


def is_scaled(entry: Any) -> bool:
    """Whether an entry ``quantization_config`` means 8-bit floats with scales of blocks.

    Experts of such a model can be copied under other numbers: no scales of their inputs are stored,
    and no list names single experts.
    """
    if not isinstance(entry, dict):
        return False
    size, excepted = entry.get("weight_block_size"), entry.get("modules_to_not_convert") or []
    return (
        entry.get("quant_method") == "fp8"
        and entry.get("activation_scheme", "dynamic") == "dynamic"
        and isinstance(size, list)
        and len(size) == 2
        and all(type(width) is int and width > 0 for width in size)
        and not any(_OF_EXPERT.search(str(module)) for module in excepted)
    )


def _check_kind(config: dict[str, Any], folder: Path, name: str) -> None:
    """Check the entries of config.json that decide what else of it is read, and by which class."""
    path = folder / "config.json"
    if "configuration_files" in config:
        # transformers would read one of these files instead, which nothing has checked.
        raise _malformed(name, path, "refers to other files (configuration_files)")
    kind = config.get("model_type", "")
    if not isinstance(kind, str) or len(kind) > MAX_TYPE:
        raise _malformed(name, path, f"has no model_type of up to {MAX_TYPE} characters")


def _check_code(name: str, file: str, key: str, value: Any) -> None:
    if key in {"auto_map", "custom_pipelines"} and value:
        raise refused(name, "custom_code", f"{file} asks to run its own code ({key})", OWN_CODE)
    # If the value is a hub repository, transformers downloads a kernel from it and runs it.
    if "_implementation" in key:
        for choice in value.values() if isinstance(value, dict) else [value]:
            if isinstance(choice, str) and "/" in choice:
                reason = f"{file} asks for the kernel {choice!r:.200} ({key:.200})"
                raise refused(name, "custom_code", reason, OWN_CODE)


def _check_weights(name: str, file: str, key: str, value: Any, may_be_scaled: bool) -> None:
    if key not in {"quantization_config", "compression_config"} or not value:
        return
    scaled = file == "config.json" and key == "quantization_config" and is_scaled(value)
    if not (scaled and may_be_scaled):
        reason = f"{file} has a {key}: its weights are quantised"
        raise refused(name, "quantized", reason, _SCALED if scaled else _PLAIN)


_PLAIN = "Name the unquantised model it was made from."
_SCALED = (
    "Name the unquantised model it was made from, or set method to experts, without refine, "
    "recover and benchmark: it copies 8-bit floats with the scales of their blocks."
)
OWN_CODE = "Name a model whose architecture is part of transformers, without code of its own."


def _read(path: Path, name: str) -> dict[str, Any]:
    if not path.is_file():
        raise _malformed(name, path, "is not a regular file")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise _malformed(name, path, "is larger than 16 MiB")
    try:
        config = parse_json(path.read_bytes())
    except ValueError:
        raise _malformed(name, path, "is not JSON") from None
    if not isinstance(config, dict):
        raise _malformed(name, path, "is not a JSON object")
    return config


def _entries(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every key and value, nested ones included."""
    waiting: list[Any] = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from part.items()
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _malformed(name: str, path: Path, what: str) -> SpecRefusedError:
    remedy = "Repair it, or name another model."
    return refused(name, "malformed_config", f"{path.name} {what}", remedy)
