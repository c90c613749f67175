"""The encoding of text as windows of token ids."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Protocol

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from worker.sources.documents import Render, Text
from worker.templates.rendering import Rendering, TemplateError, TemplateLimitError


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used here."""

    def __call__(self, text: str, **options: Any) -> Any:
        """Return a mapping with ``input_ids``."""


@dataclass(frozen=True)
class Encoder:
    """Encodes the text of one dataset with a model's tokenizer.

    Attributes:
        tokenizer: the model's tokenizer; None if it has none.
        vocab_size: the size of the model's vocabulary; None if ids are not checked against it.
        field: the field of the specification that names the dataset.
        name: the value of that field.
        special_tokens: whether the tokenizer adds its special tokens, such as a BOS before the
            text.
    """

    tokenizer: Tokenizer | None
    vocab_size: int | None
    field: str
    name: str
    special_tokens: bool = False

    def ids(self, text: str) -> Tensor:
        """Encode a text as a whole into ``[tokens]`` int64.

        Raises:
            SpecRefusedError: the model has no tokenizer, or one that fails or returns an id outside
                the model's vocabulary.
        """
        if self.tokenizer is None:
            reason = "the model has no tokenizer, so text cannot be encoded for it"
            remedy = "Name a JSONL file whose rows contain input_ids, or a model with a tokenizer."
            raise self.refused("no_tokenizer", reason, remedy)
        # Not verbose: it would warn about texts longer than the context, which are cut anyway.
        try:
            encoded = self.tokenizer(
                text,
                add_special_tokens=self.special_tokens,
                return_attention_mask=False,
                verbose=False,
            )
        except MemoryError:
            raise
        except Exception as error:  # a tokenizer's settings are checked only when they are used
            reason = f"the model's tokenizer cannot encode it ({error!s:.200})"
            remedy = "Save the tokenizer again with save_pretrained, or name another model."
            raise self.refused("malformed_tokenizer", reason, remedy) from error
        ids = torch.tensor(encoded["input_ids"], dtype=torch.int64)
        if self.vocab_size is not None and ids.numel() and int(ids.max()) >= self.vocab_size:
            reason = (
                f"the tokenizer returns id {int(ids.max())}, the model has {self.vocab_size} ids"
            )
            raise self.refused("foreign_tokenizer", reason, "Use the tokenizer of this model.")
        return ids

    @contextmanager
    def chats(self) -> Iterator[Render]:
        """Yield a function that renders conversations with the tokenizer's chat template.

        A template is a program of strangers, so that another process renders it, with limits. The
        function raises `SpecRefusedError` if there is no template, if it does not accept the
        messages, or if it exceeds a limit.
        """
        with Rendering("worker.templates.chats") as rendering:
            yield partial(self._chat, rendering)

    def _chat(self, rendering: Rendering, messages: Sequence[Mapping[str, Any]], where: str) -> str:
        if self.tokenizer is None or not getattr(self.tokenizer, "chat_template", None):
            reason = (
                "its rows contain chat messages, and the model's tokenizer has no chat template"
            )
            remedy = "Name a dataset of text, or a model whose tokenizer has a chat template."
            raise self.refused("no_chat_template", reason, remedy)
        tokenizer: Any = self.tokenizer
        values = {"messages": messages, "tokens": tokenizer.special_tokens_map}
        try:
            return rendering.render(tokenizer.get_chat_template(), values)
        except TemplateLimitError as error:
            reason = f"{where}: the model's chat template exceeds a limit: {error}"
            remedy = "Name a dataset of text, or a model with another chat template."
        except (TemplateError, ValueError) as error:
            reason = f"{where}: the model's chat template does not accept the messages ({error})"
            remedy = "Correct their roles and their order, or name another dataset."
        raise self.refused("chat_template", reason[:500], remedy)

    def refused(self, code: str, reason: str, remedy: str) -> SpecRefusedError:
        return SpecRefusedError(self.field, self.name, code, reason, remedy)


def encode_text(text: Text, encoder: Encoder, seq_len: int) -> Tensor:
    """Encode a whole text into token ids ``[tokens]``, and check that they fill a window.

    Raises:
        SpecRefusedError: the text is shorter than a window.
    """
    ids = encoder.ids(text.joined)
    if len(ids) >= seq_len:
        return ids
    shorter = "Name a window of" if encoder.special_tokens else "Set seq_len to"
    remedy = f"{shorter} at most {len(ids)}, or name more text"
    if text.split.endswith("tenth"):
        remedy += ", or name an eval_dataset, so that no text is held out"
    reason = f"its text ({text.split}) has {len(ids)} tokens, a window has {seq_len}"
    raise encoder.refused("dataset_too_small", reason, f"{remedy}.")


def random_windows(ids: Tensor, count: int, seq_len: int, seed: int) -> Tensor:
    """Cut ``[count, seq_len]`` windows at random starts, which depend on the seed only."""
    random = Random(seed)  # noqa: S311 # reproducible on purpose
    starts = [random.randrange(len(ids) - seq_len + 1) for _ in range(count)]
    return torch.stack([ids[start : start + seq_len] for start in starts])


def consecutive_windows(ids: Tensor, count: int, seq_len: int) -> Tensor:
    """Cut the first ``[count, seq_len]`` windows, without gaps."""
    return ids[: count * seq_len].view(count, seq_len)


def document_windows(text: Text, encoder: Encoder, count: int, seq_len: int, seed: int) -> Tensor:
    """Cut ``[count, seq_len]`` windows, each at a random place of a random long document.

    A document is long if it has more than ``seq_len`` tokens. Each long document is used once
    before any is used again. The literature cuts C4 in much the same way.

    Raises:
        SpecRefusedError: no document is long enough, or the documents cannot be encoded.
    """
    random = Random(seed)  # noqa: S311 # reproducible on purpose
    # A token has at least one byte, so shorter documents need not be encoded.
    pool = [document for document in text.documents if len(document.encode()) > seq_len]
    random.shuffle(pool)
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
    chosen = [long[index % len(long)] for index in range(count)]
    return torch.cat([random_windows(ids, 1, seq_len, random.getrandbits(63)) for ids in chosen])
