"""The files of a model that are downloaded, and limits on their sizes."""

import errno
import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from db.core.refusals import refused
from db.spec.model_configs import CONFIGS, MAX_CONFIG_BYTES
from zpruner.files.header import MAX_HEADER_BYTES
from zpruner.files.weight_files import INDEX

TOKENIZERS = re.compile(
    r"tokenizer\.json|tokenizer\.model|[\w.-]*\.(tiktoken|model)|tekken\.json|tokenizer\.model\.v\d+"
    r"|vocab\.(json|txt)|merges\.txt|added_tokens\.json|special_tokens_map\.json"
    r"|chat_template\.(jinja|json)|dict\.txt"
)
LICENCES = re.compile(r"(LICEN[CS]E|NOTICE|COPYING)[\w.-]*\.txt", re.IGNORECASE)
MAX_TOKENIZER_BYTES = 128 << 20
MAX_LICENCE_BYTES = 1 << 20
SLACK = 2
"""Largest ratio of the sizes in index and files, either way: one may count tied weights twice."""
RESERVE_BYTES = 1 << 30
"""The space that a download leaves free on the disk."""
MAX_CONCURRENT = 8
"""How many files of a model are read at once."""
REMEDY = "Name a complete copy of the model in the transformers layout."


def is_needed(name: str) -> bool:
    """Whether a file is needed besides the weights: a configuration, tokenizer file or licence.

    ``.bin`` and ``.py`` files are never needed, because loading them can run code.
    """
    return name in CONFIGS or any(kind.fullmatch(name) for kind in (TOKENIZERS, LICENCES))


def small_files(sizes: Mapping[str, int], model: str) -> list[str]:
    """Return the required files other than the weights, after checking their sizes.

    Args:
        sizes: the size in bytes of each file, by name.
        model: the model's name in the specification.

    Raises:
        SpecRefusedError: a file is too large (``oversized_file``).
    """
    small = {file: size for file, size in sizes.items() if file == INDEX or is_needed(file)}
    check_sizes(small, model)
    return list(small)


def check_sizes(sizes: Mapping[str, int], model: str) -> None:
    """Refuse implausibly large configurations, tokenizer files, licences and indexes.

    Args:
        sizes: the size in bytes of each file other than the weights, by name.
        model: the model's name in the specification.

    Raises:
        SpecRefusedError: a file is too large (``oversized_file``).
    """
    for name, size in sizes.items():
        limit = _limit(name)
        if size > limit:
            reason = f"its {name} has {size:,} bytes, more than the limit of {limit:,}"
            raise refused(model, "oversized_file", reason, REMEDY)


def _limit(name: str) -> int:
    if name == INDEX:
        return MAX_HEADER_BYTES
    if name in CONFIGS:
        return MAX_CONFIG_BYTES
    return MAX_TOKENIZER_BYTES if TOKENIZERS.fullmatch(name) else MAX_LICENCE_BYTES


def check_total(sizes: Mapping[str, int], index_bytes: int | None, model: str) -> None:
    """Refuse weights whose files are much larger or smaller than the index says.

    Args:
        sizes: the size in bytes of each weight file, by name.
        index_bytes: the total in the index; None if it is not known. Then nothing is checked.
        model: the model's name in the specification.

    Raises:
        SpecRefusedError: the sizes do not match (``malformed_weights``).
    """
    if index_bytes is None:
        return
    total = sum(sizes.values())
    limit = SLACK * index_bytes + MAX_HEADER_BYTES * len(sizes)
    if not index_bytes <= SLACK * total <= SLACK * limit:
        reason = f"its index says {index_bytes:,} bytes of weights, its files have {total:,}"
        raise refused(model, "malformed_weights", reason, REMEDY)


def require_space(folder: Path, sizes: Mapping[str, int], present: Collection[str]) -> None:
    """Check that the disk has enough space for the files that are not ``present``.

    Raises:
        OSError: the disk has too little space (``ENOSPC``).
    """
    missing = sum(size for name, size in sizes.items() if name not in present)
    free = shutil.disk_usage(folder).free
    if missing and missing + RESERVE_BYTES > free:
        text = (
            f"the files to download need {missing:,} bytes, {free:,} are free, "
            f"and {RESERVE_BYTES:,} must remain free"
        )
        raise OSError(errno.ENOSPC, text, os.fspath(folder))
