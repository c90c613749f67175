"""The log-likelihood of continuations, with one block of the model in memory at a time."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import head_logits
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.forward_stream import last_states, open_block_inputs
from worker.recovery.planning.sizes import FORWARD_TOKENS

Row = tuple[int, ...]

_WIDTH = 16
"""Rows are padded to a multiple of this, so that few shapes occur."""
_LOGITS_BYTES = 16 << 20


@dataclass(frozen=True)
class Continuation:
    """A text whose log-likelihood after a context is wanted.

    Attributes:
        context: the token ids before it; at least one.
        tokens: its own token ids; at least one.
    """

    context: Row
    tokens: Row

    def row(self, limit: int) -> Row:
        """Return the model's input: all tokens but the last, and of these the last ``limit``."""
        return (self.context + self.tokens)[:-1][-limit:]


@dataclass(frozen=True)
class Likelihood:
    """How likely a model finds a continuation.

    Attributes:
        log_probability: the sum of the logarithms of its tokens' probabilities, in nats.
        is_greedy: whether each of its tokens is the most likely one.
    """

    log_probability: float
    is_greedy: bool


def likelihoods(
    meta_model: MetaModel, continuations: Sequence[Continuation], limit: int, spill: Path
) -> Generator[int, None, list[Likelihood]]:
    """Return the likelihood of each continuation.

    All rows go through a block before the next block is read, so that a model larger than memory
    is read once. Continuations with the same input share a row. Rows are padded on the right,
    which a causal model does not see.

    Args:
        continuations: what is scored.
        limit: the largest number of tokens in a row; the first tokens of a longer one are cut off.
        spill: an empty folder for the hidden states.

    Yields:
        The index of each block that has been run.
    """
    if not continuations:
        return []
    wanted: dict[Row, list[int]] = {}
    for index, continuation in enumerate(continuations):
        wanted.setdefault(continuation.row(limit), []).append(index)
    batches = list(_batches(sorted(wanted, key=len), FORWARD_TOKENS[meta_model.device.type]))
    block_inputs = open_block_inputs(meta_model)
    padded = [_padded(batch, limit) for batch in batches]
    states = yield from last_states(meta_model, block_inputs, padded, spill)
    scores: dict[int, Likelihood] = {}
    with torch.no_grad(), meta_model.loaded_head():
        for batch, hidden in zip(batches, states, strict=True):
            asked = [(place, index) for place, row in enumerate(batch) for index in wanted[row]]
            parts = [_last(hidden[place], batch[place], continuations[i]) for place, i in asked]
            targets = [torch.tensor(continuations[index].tokens) for _, index in asked]
            scored = _scores(meta_model, block_inputs, parts, targets)
            scores |= {index: score for (_, index), score in zip(asked, scored, strict=True)}
    return [scores[index] for index in range(len(continuations))]


def _batches(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """Split rows, sorted by length, into batches of at most so many tokens after padding."""
    batch: list[Row] = []
    for row in rows:
        if batch and (len(batch) + 1) * _width(row) > tokens:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _width(row: Row) -> int:
    return -(-len(row) // _WIDTH) * _WIDTH


def _padded(batch: Sequence[Row], limit: int) -> Tensor:
    """Return the rows as one tensor ``[rows, tokens]``, padded on the right with the id 0."""
    ids = torch.zeros(len(batch), min(_width(batch[-1]), limit), dtype=torch.int64)
    for place, row in enumerate(batch):
        ids[place, : len(row)] = torch.tensor(row)
    return ids


def _last(hidden: Tensor, row: Row, continuation: Continuation) -> Tensor:
    """Return the states ``[n, hidden]`` that predict the ``n`` tokens of a continuation."""
    return hidden[len(row) - len(continuation.tokens) : len(row)]


def _scores(
    meta_model: MetaModel,
    block_inputs: BlockInputs,
    states: Sequence[Tensor],
    targets: Sequence[Tensor],
) -> list[Likelihood]:
    """Return the likelihood of each target ``[n]`` from the states ``[n, hidden]`` before it."""
    vocabulary = meta_model.config.vocab_size
    piece = max(1, _LOGITS_BYTES // (4 * vocabulary))
    logs, greedy = [], []
    pieces = (torch.split(torch.cat(list(each)), piece) for each in (states, targets))
    for hidden, expected in zip(*pieces, strict=True):
        logits = head_logits(meta_model, block_inputs, hidden).float()
        ids = expected.to(logits.device)
        logs.append(logits.log_softmax(-1).gather(-1, ids[:, None])[:, 0].double().cpu())
        greedy.append((logits.argmax(-1) == ids).cpu())
    lengths = [len(target) for target in targets]
    parts = (torch.split(torch.cat(each), lengths) for each in (logs, greedy))
    scored = zip(*parts, strict=True)
    return [Likelihood(float(log.sum()), bool(is_best.all())) for log, is_best in scored]
