"""A small ranker that chooses one of several answers by a model's hidden states.

After Language Ranker (arXiv:2510.21883), which ranks a model's own answers by features that the
model has computed, with fewer than half a million parameters.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

MOST_PARAMETERS = 500_000
_WIDTHS = (64, 32, 16, 8, 4)
_HEADS = 4
_STEPS = 150
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.1


class AnswerRanker(nn.Module):
    """Scores the answers to a question together, one attention block over question and answers.

    The order of the answers does not matter. Hidden states are standardised with the mean and the
    deviation of each feature in the training states.

    Args:
        mean, deviation: ``[hidden]``.
        width: the number of features that a hidden state is projected to.
    """

    _mean: Tensor
    _deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor, width: int) -> None:
        super().__init__()
        self.register_buffer("_mean", mean)
        self.register_buffer("_deviation", deviation)
        self._projection = nn.Linear(len(mean), width)
        self._of_question = nn.Parameter(torch.zeros(width))
        self._block = nn.TransformerEncoderLayer(
            width, _HEADS, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self._score = nn.Linear(width, 1)

    def forward(self, states: Tensor) -> Tensor:
        """Return the scores ``[questions, answers]`` of some states.

        ``states`` are ``[questions, 1 + answers, hidden]``; the first of each question is that of
        the question itself.
        """
        inputs = self._projection((states - self._mean) / self._deviation)
        question = inputs[:, :1] + self._of_question
        mixed = self._block(torch.cat([question, inputs[:, 1:]], 1))
        scores: Tensor = self._score(mixed[:, 1:])[..., 0]
        return scores

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())


def fitted_ranker(states: Tensor, right: Tensor, seed: int) -> AnswerRanker:
    """Train a ranker on questions whose right answers are known.

    The loss is that of ListNet (Cao et al., 2007): the cross-entropy of the scores' softmax over
    the answers of a question, relative to equal shares for its right answers. Questions without a
    right or without a wrong answer teach nothing and are left out.

    Args:
        states: ``[questions, 1 + answers, hidden]`` fp32.
        right: ``[questions, answers]`` bool.
        seed: determines the initial weights.
    """
    flat = states.flatten(0, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ranker = _new_ranker(flat.mean(0), flat.std(0).clamp_min(1e-6))
    some = right.any(1) & ~right.all(1)
    if some.any():
        _train(ranker, states[some], right[some].float())
    return ranker.eval()


@torch.no_grad()
def choices(ranker: AnswerRanker, states: Tensor) -> list[int]:
    """Return the index of the answer that the ranker puts first, for each question."""
    chosen: list[int] = ranker(states).argmax(1).tolist()
    return chosen


def _new_ranker(mean: Tensor, deviation: Tensor) -> AnswerRanker:
    """Return the widest ranker below the limit on parameters."""
    made = (AnswerRanker(mean, deviation, width) for width in _WIDTHS)
    return next(ranker for ranker in made if ranker.parameter_count < MOST_PARAMETERS)


@torch.enable_grad()
def _train(ranker: AnswerRanker, states: Tensor, right: Tensor) -> None:
    shares = right / right.sum(1, keepdim=True)
    optimizer = torch.optim.AdamW(
        ranker.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
    )
    for _ in range(_STEPS):
        optimizer.zero_grad()
        functional.cross_entropy(ranker(states), shares).backward()  # type: ignore[no-untyped-call] # torch's
        optimizer.step()
