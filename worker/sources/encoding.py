"""Text into token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import torch
from jinja2 import TemplateError
from torch import Tensor

from db.core.errors import SpecRefusedError
from worker.sources.documents import Text


class Tokenizer(Protocol):
    """What is needed of a transformers tokenizer."""

    def __call__(self, text: str, **options: Any) -> Any:
        """Return a mapping that holds ``input_ids``."""

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """Return a conversation as text."""


@dataclass(frozen=True)
class Encoder:
    """A model's tokenizer, for the text that one field names.

    Attributes:
        tokenizer: None for a model that has none.
        vocab_size: how many ids the model knows; None leaves them unchecked.
        field: the field to name in a refusal.
        name: what that field holds.
    """

    tokenizer: Tokenizer | None
    vocab_size: int | None
    field: str
    name: str

    def ids(self, text: str) -> Tensor:
        """Encode a text as a whole, without special tokens, into ``[tokens]`` int64.

        Raises:
            SpecRefusedError: there is no tokenizer, or it is another model's.
        """
        if self.tokenizer is None:
            reason = "the model has no tokenizer, so text cannot be encoded for it"
            remedy = "Name a JSONL file whose rows hold input_ids, or a model with a tokenizer."
            raise self.refused("no_tokenizer", reason, remedy)
        # verbose: it would warn of a text longer than the model's context, which is cut anyway.
        encoded = self.tokenizer(
            text, add_special_tokens=False, return_attention_mask=False, verbose=False
        )
        ids = torch.tensor(encoded["input_ids"], dtype=torch.int64)
        if self.vocab_size is not None and ids.numel() and int(ids.max()) >= self.vocab_size:
            reason = f"the tokenizer gives id {int(ids.max())}, the model knows {self.vocab_size}"
            raise self.refused("foreign_tokenizer", reason, "Give the model its own tokenizer.")
        return ids

    def chat(self, messages: Sequence[Mapping[str, Any]], where: str) -> str:
        """Write a conversation as the model was trained on it, by its tokenizer's chat template.

        Raises:
            SpecRefusedError: there is no template, or it does not take these messages.
        """
        if self.tokenizer is None or not getattr(self.tokenizer, "chat_template", None):
            reason = "its rows hold chat messages, and the model's tokenizer has no chat template"
            remedy = "Name a dataset of text, or a model whose tokenizer has a chat template."
            raise self.refused("no_chat_template", reason, remedy)
        try:
            text = self.tokenizer.apply_chat_template(list(messages), tokenize=False)
        except (TemplateError, ValueError, TypeError, KeyError, OverflowError) as error:
            reason = f"{where}: the model's chat template does not take the messages ({error})"
            remedy = "Correct their roles and their order, or name another dataset."
            raise self.refused("chat_template", reason[:500], remedy) from error
        return str(text)

    def refused(self, code: str, reason: str, remedy: str) -> SpecRefusedError:
        """Return the refusal to raise."""
        return SpecRefusedError(self.field, self.name, code, reason, remedy)


def scattered(ids: Tensor, count: int, seq_len: int, seed: int) -> Tensor:
    """Cut ``[count, seq_len]`` windows at random starts; the same seed gives the same ones."""
    draw = Random(seed)  # noqa: S311 # reproducible on purpose
    starts = [draw.randrange(len(ids) - seq_len + 1) for _ in range(count)]
    return torch.stack([ids[start : start + seq_len] for start in starts])


def consecutive(ids: Tensor, count: int, seq_len: int) -> Tensor:
    """Cut the first ``[count, seq_len]`` windows, one behind the other."""
    return ids[: count * seq_len].view(count, seq_len)


def drawn(text: Text, encoder: Encoder, count: int, seq_len: int, seed: int) -> Tensor:
    """Cut ``[count, seq_len]`` windows, each at random in a random document longer than it.

    So the literature reads C4. Where fewer documents are long enough, they are drawn again.

    Raises:
        SpecRefusedError: no document is long enough.
    """
    draw = Random(seed)  # noqa: S311 # reproducible on purpose
    # A token is a byte at least: shorter documents need not be encoded.
    pool = [document for document in text.documents if len(document.encode()) > seq_len]
    draw.shuffle(pool)
    long: list[Tensor] = []
    for document in pool:
        if len(long) == count:
            break
        if len(ids := encoder.ids(document)) > seq_len:
            long.append(ids)
    if not long:
        raise encoder.refused(
            "dataset_too_small",
            f"none of the {len(text.documents):,} documents read has more than {seq_len} tokens",
            "Set a smaller seq_len, or name another dataset.",
        )
    picked = [long[index % len(long)] for index in range(count)]
    return torch.cat([scattered(ids, 1, seq_len, draw.getrandbits(63)) for ids in picked])
