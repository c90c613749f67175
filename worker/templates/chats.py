"""``python -m worker.templates.chats``: renders conversations as transformers does."""

import json
import os
from functools import lru_cache
from typing import Any

from worker.templates.rendering import serve


def render(template: str, values: dict[str, Any]) -> str:
    """Render ``values["messages"]`` with a chat template, which sees ``values["tokens"]``."""
    tokenizer = _tokenizer(template, json.dumps(values["tokens"]))
    return str(tokenizer.apply_chat_template(values["messages"], tokenize=False))


@lru_cache(maxsize=1)
def _tokenizer(template: str, tokens: str) -> Any:
    """Return a tokenizer without a vocabulary, which knows a template and its special tokens."""
    from transformers.tokenization_utils_base import (  # noqa: PLC0415 - within the bounds
        PreTrainedTokenizerBase,
    )

    known = {"special_tokens_map": json.loads(tokens)}
    return type("Tokenizer", (PreTrainedTokenizerBase,), known)(chat_template=template)


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each reserves memory
    serve(render)
