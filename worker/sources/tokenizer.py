"""Loading tokenizers; a ``tokenizer.json`` is first tried in a process with limits.

A malicious ``tokenizer.json`` can take all memory, or run forever, however small it is: it can
replace each letter by ten, again and again. So the process has limits on its memory and its time.
"""

import os
from pathlib import Path
from typing import Any

from db.core.errors import SpecRefusedError
from db.core.refusals import refused
from db.files.bounded_process import BoundsExceededError, run_bounded, serve_bounded

FAST = "tokenizer.json"
FILES = (FAST, "tokenizer.model", "vocab.json", "tokenizer_config.json")
SMALL_BYTES = 64 << 10
"""Files up to this size have the smaller limits."""
SMALL_MEMORY_BYTES, MEMORY_BYTES = 1 << 30, 4 << 30
SMALL_CPU_S, CPU_S = 5, 120
TIMEOUT_S = 240.0
PROBE = (
    "The quick brown fox, 1234567890 times! \t\n   “Größe” 模型 🙂 aaaaaaaaaaaaaaaaaaaaaaaa\n" * 40
)
REMEDY = "Save the tokenizer again with save_pretrained, or name another model."


def load_tokenizer(folder: Path, name: str) -> Any | None:
    """Return the folder's tokenizer; None if it has none. Rows of token ids need no tokenizer.

    Raises:
        SpecRefusedError: it cannot be loaded, or takes too much memory or time.
    """
    if not any((folder / file).is_file() for file in FILES):
        return None
    fast = folder / FAST
    if fast.is_file():
        _try(fast, name)
    from transformers import AutoTokenizer  # noqa: PLC0415 - the bounded process needs none of it

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except MemoryError:
        raise
    except Exception as error:  # tokenizer classes raise any exception for malformed files
        text = str(error).replace(str(folder), name).partition("\n")[0][:300]
        raise _unreadable(name, f"its tokenizer cannot be loaded ({text})") from error


def _try(fast: Path, name: str) -> None:
    is_small = fast.stat().st_size <= SMALL_BYTES
    try:
        result = run_bounded(
            __name__,
            {"path": str(fast)},
            memory_bytes=SMALL_MEMORY_BYTES if is_small else MEMORY_BYTES,
            cpu_s=SMALL_CPU_S if is_small else CPU_S,
            timeout_s=TIMEOUT_S,
        )
    except BoundsExceededError as error:
        raise _unreadable(name, f"its {FAST} cannot be loaded: {error}") from None
    if fault := result.get("fault"):
        raise _unreadable(name, f"its {FAST} cannot be loaded ({fault})")


def _unreadable(name: str, reason: str) -> SpecRefusedError:
    return refused(name, "malformed_tokenizer", reason, REMEDY)


def _work(request: dict[str, Any]) -> dict[str, Any]:
    from tokenizers import Tokenizer  # noqa: PLC0415 - reserves its memory within the bounds

    try:
        Tokenizer.from_file(request["path"]).encode(PROBE)
    except MemoryError:
        raise
    except BaseException as error:
        return {"fault": str(error).partition("\n")[0][:300]}
    return {}


if __name__ == "__main__":
    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1"}
    serve_bounded(_work)
