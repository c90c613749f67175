"""What is measured of the experts of a layer, whatever number of them goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.experts.choice import expert_scores, lowest_experts, removal_places
from worker.pruning.experts.results import ExpertsResult
from worker.pruning.experts.routed_tokens import RoutedTokens
from worker.pruning.experts.settings import Score
from worker.pruning.structure.units import outside_of, ranges_of


@dataclass(frozen=True)
class ScoredLayer:
    """The experts of a layer with their scores, ready for JSON.

    Attributes:
        groups: in how many groups of neighbours the experts are divided, each of which loses as
            many.
        scores: the score of each expert.
        tokens: how many tokens were routed to each.
        gates: the sum of the weights with which the outputs of each are combined.
        lost: at ``i``, how many tokens lose the last of their experts as the ``i``-th of each group
            goes.
    """

    groups: int
    scores: tuple[float, ...]
    tokens: tuple[int, ...]
    gates: tuple[float, ...]
    lost: tuple[int, ...]

    @classmethod
    def of(cls, texts: Sequence[RoutedTokens], score: Score, groups: int, ranks: Ranks) -> Self:
        """Score experts by what was observed of one or two texts, over all ranks."""
        whole = [text.all_reduced(ranks) for text in texts]
        by_text = [text.means() if score == "reap" else text.tokens for text in whole]
        scores = expert_scores(by_text[0], by_text[1] if len(by_text) > 1 else None)
        places = removal_places(scores, groups)
        lost = ranks.all_reduce(torch.stack([text.lost(places) for text in texts]).sum(0))
        return cls(
            groups,
            tuple(scores.tolist()),
            tuple(map(int, sum_of([text.tokens for text in whole]).tolist())),
            tuple(sum_of([text.gates for text in whole]).tolist()),
            tuple(map(int, lost.tolist())),
        )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the layer from its fields, after conversion to JSON and back."""
        lists = {name: tuple(value) for name, value in fields.items() if name != "groups"}
        return cls(groups=fields["groups"], **lists)

    def kept(self, count: int) -> Tensor:
        """Return the indices of the experts that stay if ``count`` go, ``[n]`` int64."""
        return outside_of(ranges_of(self._removed(count)), len(self.scores))

    def result(self, name: str, count: int) -> ExpertsResult:
        """Return what is reported of the layer ``name`` if ``count`` experts go."""
        gates = torch.tensor(self.gates, dtype=torch.float64)
        lost = sum(self.lost[: count // self.groups + 1])
        return ExpertsResult(
            name=name,
            kept=tuple(self.kept(count).tolist()),
            scores=self.scores,
            tokens=self.tokens,
            gate_removed=float(gates[self._removed(count)].sum() / gates.sum().clamp(min=1e-300)),
            unrouted=lost / max(sum(self.lost), 1),
        )

    def _removed(self, count: int) -> Tensor:
        return lowest_experts(torch.tensor(self.scores, dtype=torch.float64), count, self.groups)


def sum_of(values: Sequence[Tensor]) -> Tensor:
    """Return the sum of tensors of one shape."""
    return torch.stack(list(values)).sum(0)
