"""Which files of a model are needed, and how large they may be, known before any is downloaded."""

import errno
import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from db.spec.checkpoint_headers import INDEX, MAX_HEADER_BYTES
from db.spec.model_configs import CONFIGS, MAX_CONFIG_BYTES
from db.spec.refusals import refused

TOKENIZERS = re.compile(
    r"tokenizer\.json|tokenizer\.model|[\w.-]*\.(tiktoken|model)|tekken\.json|tokenizer\.model\.v\d+"
    r"|vocab\.(json|txt)|merges\.txt|added_tokens\.json|special_tokens_map\.json"
    r"|chat_template\.(jinja|json)|dict\.txt"
)
LICENCES = re.compile(r"(LICEN[CS]E|NOTICE|COPYING)[\w.-]*\.txt", re.IGNORECASE)
MAX_TOKENIZER_BYTES = 128 << 20
MAX_LICENCE_BYTES = 1 << 20
SLACK = 2
"""An index may count tied weights twice, or once where a file holds them twice."""
RESERVE_BYTES = 1 << 30
"""What a download leaves free on the disk for everything else."""
REMEDY = "Name a complete copy of the model in the transformers layout."


def is_needed(name: str) -> bool:
    """Whether a file beside the weights is configuration, a tokenizer's, or a licence.

    Never ``.bin`` or ``.py``: reading those can run code.
    """
    return name in CONFIGS or any(kind.fullmatch(name) for kind in (TOKENIZERS, LICENCES))


def check_sizes(sizes: Mapping[str, int], model: str) -> None:
    """Refuse files beside the weights that are larger than any real one.

    Args:
        sizes: the bytes of each, by name.
        model: what the caller named it.

    Raises:
        SpecRefusedError: ``oversized_file``.
    """
    for name, size in sizes.items():
        bound = _bound(name)
        if size > bound:
            reason = f"its {name} has {size:,} bytes, and {bound:,} are taken at most"
            raise refused(model, "oversized_file", reason, REMEDY)


def _bound(name: str) -> int:
    if name == INDEX:
        return MAX_HEADER_BYTES
    if name in CONFIGS:
        return MAX_CONFIG_BYTES
    return MAX_TOKENIZER_BYTES if TOKENIZERS.fullmatch(name) else MAX_LICENCE_BYTES


def check_total(sizes: Mapping[str, int], index_bytes: int | None, model: str) -> None:
    """Refuse weights whose files are much larger or smaller than their index says.

    Raises:
        SpecRefusedError: ``malformed_weights``.
    """
    if index_bytes is None:
        return
    there = sum(sizes.values())
    most = SLACK * index_bytes + MAX_HEADER_BYTES * len(sizes)
    if not index_bytes <= SLACK * there <= SLACK * most:
        reason = f"its index says {index_bytes:,} bytes of weights, its files have {there:,}"
        raise refused(model, "malformed_weights", reason, REMEDY)


def require_space(folder: Path, sizes: Mapping[str, int], here: Collection[str]) -> None:
    """Check that the disk has room for the files that are not ``here`` yet.

    Raises:
        OSError: it has not (``ENOSPC``).
    """
    missing = sum(size for name, size in sizes.items() if name not in here)
    free = shutil.disk_usage(folder).free
    if missing and missing + RESERVE_BYTES > free:
        text = f"the model's weights have {missing:,} bytes more, {free:,} are free"
        raise OSError(
            errno.ENOSPC, f"{text}, and {RESERVE_BYTES:,} must stay so", os.fspath(folder)
        )
