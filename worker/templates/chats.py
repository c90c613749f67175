"""``python -m worker.templates.chats``: renders conversations as transformers does."""

import json
import os
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, Self

from worker.templates.rendering import serve


class _FixedTime(datetime):
    """The time that templates see in place of now, so that a text is the same on every day.

    It is the date that Llama 3's template writes where it is given no time.
    """

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2024, 7, 26, tzinfo=tz)


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
    from transformers.utils import chat_template_utils  # noqa: PLC0415 - within the bounds

    chat_template_utils.datetime = _FixedTime  # this process does nothing else
    known = {"special_tokens_map": json.loads(tokens)}
    return type("Tokenizer", (PreTrainedTokenizerBase,), known)(chat_template=template)


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each reserves memory
    serve(render)
