"""The record of a smaller vocabulary, a file of the model's folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RECORD = "vocabulary.json"
"""The name of the file; a job on the result copies it."""
KEPT, CHECKED, TEXT, IDS = "kept", "llama_cpp", "text", "ids"
CHECK_TEXT = (
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶\u200d🌫️ (multiple emojis "
    "concatenated) ✅ 🦙🦙 3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3 "
    "កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天\uff5e ------======= нещо на Български "
    "''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's there, 'RE you sure? "
    "'M not sure I'll make it, 'D you like some tea? We'Ve a'lL"
)
"""llama.cpp's converter knows a tokenizer by the ids of this text, which other ids would hide."""


def write_record(source: Path, out: Path, kept: Sequence[int], tokenizer: Any) -> None:
    """Write which tokens have stayed, and the ids of llama.cpp's text in the first model.

    If the model is the result of an earlier job with a smaller vocabulary, its record has the ids.

    Args:
        source: the folder of the model with all tokens.
        out: the folder to write to.
        kept: the ids of the tokens that stay, in ascending order.
        tokenizer: the model's tokenizer.
    """
    if (known := read_record(source)) is not None:
        checked = known[CHECKED]
    else:
        checked = {TEXT: CHECK_TEXT, IDS: list(tokenizer.encode(CHECK_TEXT))}
    record = {KEPT: list(kept), CHECKED: checked}
    (out / RECORD).write_text(json.dumps(record) + "\n", "utf-8")


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of a model's folder; None without one."""
    file = folder / RECORD
    record: dict[str, Any] | None = json.loads(file.read_text("utf-8")) if file.is_file() else None
    return record
