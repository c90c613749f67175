"""Windows of text that a model writes by itself, on which its pruned copy is trained.

A model without a chat template begins half of them with a token drawn after the one that begins a
text, and the others with a few tokens of a given text (arXiv:2305.17888, arXiv:2410.17711). One
with a template gets the beginning of a user's turn, and writes the questions and the answers
(Magpie, arXiv:2406.08464).
"""

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor
from transformers import PreTrainedModel

from worker.evaluation.generation import generated
from worker.evaluation.generation_metrics import GeneratedText
from worker.pruning.base.errors import NotFiniteError

CHUNK_TOKENS, MOST_ROWS = 32_768, 32
"""How many tokens, and how many windows at most, are written at once."""
DISTINCT = 100
"""Among so many windows with a drawn first token, none begins as another one does."""
GREEDY = 4
"""How many tokens after a drawn first one are the most likely ones, so that a topic begins."""
SHORTEST, LONGEST = 16, 32
"""Tokens of a given text with which a window begins."""
DROPPED = 10
"""One window of so many is dropped, those with the highest perplexity."""


@dataclass(frozen=True)
class WritingStyle:
    """How the windows of a model begin and go on.

    Attributes:
        prompt: the tokens before the first one that is written: of a chat the beginning of a user's
            turn, which is a part of the window; else one token, which is not.
        ends: the tokens that end a text or a turn.
        turns: of a chat, the tokens between a question and its answer, and between an answer and
            the next question; else empty.
        pieces: ``[windows, tokens]`` int64, the text that gives half of the windows their
            beginnings; empty for a chat.
    """

    prompt: tuple[int, ...]
    ends: frozenset[int]
    turns: tuple[tuple[int, ...], ...]
    pieces: Tensor

    @property
    def is_chat(self) -> bool:
        return bool(self.turns)


def rows_of_chunk(length: int) -> int:
    """Return how many windows of this many tokens are written at once."""
    return max(2, min(MOST_ROWS, CHUNK_TOKENS // length))


@torch.no_grad()
def write_chunk(
    model: PreTrainedModel, style: WritingStyle, length: int, seed: int, number: int
) -> Generator[int, None, list[list[int]]]:
    """Write some windows, and return those that are kept; fewer than `rows_of_chunk`.

    Args:
        model: the model, with its weights.
        style: how it writes.
        length: tokens in each window.
        seed: determines the text of all chunks.
        number: the number of the chunk, from 0.

    Yields:
        The number of tokens that each window has so far.

    Raises:
        NotFiniteError: what the model predicts is not finite.
    """
    rows = rows_of_chunk(length)
    writer = _TokenWriter(style, rows, length, seed, number)
    prompt = torch.tensor(style.prompt).expand(rows, -1)
    columns = [*prompt.T] if style.is_chat else []
    for column in generated(model, prompt, length - len(columns), writer):
        columns.append(column)
        yield len(columns)
    return _kept(torch.stack(columns, 1), writer.mean_losses)


def _kept(ids: Tensor, losses: Tensor) -> list[list[int]]:
    """Return the windows without those that loop, and without the tenth hardest to predict."""
    texts: dict[int, list[int]] = dict(enumerate(ids.tolist()))
    whole = [row for row, tokens in texts.items() if not GeneratedText.of(tokens, ()).is_loop]
    by_loss = sorted(whole, key=losses.tolist().__getitem__)
    kept = by_loss[: len(whole) - round(len(whole) / DROPPED)]
    return [texts[row] for row in sorted(kept)]


class _TokenWriter:
    """Chooses the tokens of some windows, one of each after the other.

    Args:
        style, length, seed, number: as for `write_chunk`.
        rows: the number of windows.
    """

    def __init__(self, style: WritingStyle, rows: int, length: int, seed: int, number: int) -> None:
        self._style, self._seed, self._first = style, seed, number * (rows - rows // 2)
        self._generator = _generator(seed, "chunk", number)
        ends = style.ends | {turn[0] for turn in style.turns}  # none of which begins a text
        self._ends = torch.tensor(sorted(ends), dtype=torch.int64)
        self._given = [deque[int]() for _ in range(rows)]  # tokens that are not chosen
        self._turn = [0] * rows
        self._begins = torch.ones(rows, dtype=torch.bool)  # no text or turn ends before it begins
        self._position = 0
        self._loss, self._counted = torch.zeros(rows), torch.zeros(rows)
        if not style.is_chat:
            for row, piece in zip(range(1, rows, 2), self._pieces(length), strict=False):
                self._given[row].extend(piece)

    @property
    def mean_losses(self) -> Tensor:
        """The mean loss ``[rows]`` of the tokens that were chosen, in nats."""
        return self._loss / self._counted.clamp_min(1)

    def __call__(self, logits: Tensor) -> Tensor:
        odds = logits.softmax(-1)
        odds[:, self._ends] = odds[:, self._ends].masked_fill(self._begins[:, None], 0.0)
        sums = odds.cumsum(-1, dtype=torch.float64)
        if not bool(sums[:, -1].isfinite().all()):
            raise NotFiniteError("what the model predicts while it writes text")
        chosen = _drawn_tokens(sums, self._generator)
        if not self._style.is_chat and self._position <= GREEDY:
            chosen = odds.argmax(-1) if self._position else self._firsts(odds[0])
        free = torch.tensor([not given for given in self._given])
        losses = sums[:, -1].log() - odds.gather(1, chosen[:, None])[:, 0].log()
        self._loss += losses.float().where(free, 0.0)
        self._counted += free
        self._position += 1
        tokens = [self._written(row, token) for row, token in enumerate(chosen.tolist())]
        return torch.tensor(tokens)

    def _written(self, row: int, token: int) -> int:
        """Return the next token of a window, given the one that was chosen for it."""
        given, turns = self._given[row], self._style.turns
        self._begins[row] = False
        if given:
            token = given.popleft()
        elif turns and token in {*self._style.ends, turns[self._turn[row]][0]}:
            token, *rest = turns[self._turn[row]]
            given.extend(rest)
            self._turn[row] = 1 - self._turn[row]
        else:
            return token
        self._begins[row] = self._style.is_chat and not given
        return token

    def _firsts(self, odds: Tensor) -> Tensor:
        """Return the first tokens of the windows, given the odds ``[vocabulary]`` of each."""
        distinct = min(DISTINCT, int((odds > 0).sum()))
        rounds: dict[int, Tensor] = {}
        firsts = []
        for row in range(len(self._given)):
            place = self._first + row // 2  # every second window begins with given text
            if (of := place // distinct) not in rounds:
                generator = _generator(self._seed, "first", of)
                rounds[of] = torch.multinomial(odds, distinct, generator=generator)
            firsts.append(rounds[of][place % distinct])
        return torch.stack(firsts)

    def _pieces(self, length: int) -> Iterator[list[int]]:
        """Yield beginnings of windows from random places of the given text."""
        texts = self._style.pieces
        most = min(LONGEST, length // 2, texts.shape[1])
        while len(texts):
            tokens = self._drawn(min(SHORTEST, most), most)
            text, start = self._drawn(0, len(texts) - 1), self._drawn(0, texts.shape[1] - tokens)
            yield texts[text, start : start + tokens].tolist()

    def _drawn(self, least: int, most: int) -> int:
        return int(torch.randint(least, most + 1, (), generator=self._generator))


def _drawn_tokens(sums: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a token ``[rows]`` of each row, none of which has odds of zero.

    A single number is drawn for each row; `torch.multinomial` draws one for each token.

    Args:
        sums: ``[rows, vocabulary]`` fp64, the odds of each token and of all tokens before it.
        generator: draws the numbers.
    """
    totals = sums[:, -1:]
    below = torch.rand(totals.shape, dtype=sums.dtype, generator=generator) * totals
    below = below.minimum(totals.nextafter(torch.zeros_like(totals)))  # a product is rounded
    return torch.searchsorted(sums, below, right=True)[:, 0]


def _generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a generator that follows from the seed and from names."""
    digest = sha256(repr((seed, *names)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))
