"""Answers that a model draws for one question, and its hidden states at the end of each."""

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from worker.evaluation.generation import drawn_by, generated


@dataclass(frozen=True)
class DrawnAnswers:
    """The answers to a question.

    Attributes:
        texts: the text of each answer, without the question.
        states: ``[1 + answers, hidden]`` fp32 on the CPU: the hidden states at the last token of
            the question, and at that of each answer.
    """

    texts: tuple[str, ...]
    states: Tensor


def middle_block(blocks: int) -> int:
    """Return the index of the block whose outputs are ranked, at about 60 % of the depth.

    Language Ranker (arXiv:2510.21883) found states of that depth to be the most telling.
    """
    return max(0, round(0.6 * blocks) - 1)


@torch.no_grad()
def draw_answers(
    model: PreTrainedModel,
    block: nn.Module,
    prompt: Tensor,
    decode: Callable[[list[int]], str],
    answers: int,
    tokens: int,
    end: Collection[int],
    generator: torch.Generator,
) -> Generator[int, None, DrawnAnswers]:
    """Draw answers to a question, all at once, at a temperature of 0.8.

    An answer ends before the first token with a line break, before a token that ends a text, or
    after ``tokens`` tokens.

    Args:
        model: the model, with its weights loaded.
        block: the block of the model whose outputs are the hidden states.
        prompt: ``[n]`` int64 token ids of the question.
        decode: returns the text of some token ids.
        answers: the number of answers.
        tokens: the most tokens of an answer.
        end: the tokens that end a text.
        generator: draws the tokens.

    Yields:
        The number of tokens that all answers have so far.
    """
    ids = prompt.expand(answers, -1)
    lengths, is_open = [0] * answers, [True] * answers
    for drawn, chosen in enumerate(generated(model, ids, tokens, drawn_by(generator)), 1):
        for answer, token in enumerate(chosen.tolist()):
            is_open[answer] &= token not in end and "\n" not in decode([token])
            lengths[answer] += is_open[answer]
        ids = torch.cat([ids, chosen[:, None]], 1)
        yield drawn
        if not any(is_open):
            break
    start = len(prompt)
    states = _states(model, block, ids)
    last = [states[0, start - 1], *(states[row, start - 1 + n] for row, n in enumerate(lengths))]
    texts = (decode(ids[row, start : start + n].tolist()) for row, n in enumerate(lengths))
    return DrawnAnswers(tuple(texts), torch.stack(last))


def _states(model: PreTrainedModel, block: nn.Module, ids: Tensor) -> Tensor:
    """Return a block's outputs ``[rows, tokens, hidden]`` for token ids ``[rows, tokens]``."""
    outputs: list[Tensor] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    with block.register_forward_hook(keep):
        model(input_ids=ids.to(model.device))
    return outputs[0].float().cpu()
