"""The observation of a block's experts while tokens run through it: REAP's sums.

Source: "REAP the Experts", arXiv:2510.13999.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from worker.pruning.base.errors import NotFiniteError, UnsupportedModelError
from worker.pruning.distributed.ranks import Ranks


@dataclass
class RoutedTokens:
    """Sums over the tokens that the model's own router sends to each expert.

    Attributes:
        count: how many experts there are.
        products: ``[count]`` fp64; over the tokens of an expert, the sum of the gate's weight times
            the norm of the expert's output before it is weighted.
        gates: ``[count]`` fp64; the sum of the gate's weights.
        tokens: ``[count]`` fp64; the number of tokens.
        chosen: the experts of each token, ``[tokens, chosen]`` int16, call by call.
    """

    count: int
    products: Tensor = field(init=False)
    gates: Tensor = field(init=False)
    tokens: Tensor = field(init=False)
    chosen: list[Tensor] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.products, self.gates, self.tokens = torch.zeros(3, self.count, dtype=torch.float64)

    def add(self, index: Tensor, weights: Tensor, norms: Tensor) -> None:
        """Add tokens, given their experts, the gates' weights and the norms of the outputs.

        Args:
            index: ``[tokens, chosen]`` integers; those that are no expert's index do not count.
            weights, norms: ``[tokens, chosen]``.
        """
        index, weights, norms = index.cpu(), weights.cpu().double(), norms.cpu().double()
        is_expert = (index >= 0) & (index < self.count)
        experts, gates = index[is_expert], weights[is_expert]
        self.tokens += torch.bincount(experts, minlength=self.count)
        self.gates += torch.bincount(experts, gates, self.count)
        self.products += torch.bincount(experts, gates * norms[is_expert], self.count)
        self.chosen.append(torch.where(is_expert, index, -1).to(torch.int16))

    def means(self) -> Tensor:
        """Return REAP's score, ``[count]`` fp64: the mean of the products; 0 without tokens."""
        return torch.where(self.tokens > 0, self.products / self.tokens.clamp(min=1), 0.0)

    def all_reduced(self, ranks: Ranks) -> "RoutedTokens":
        """Return the sums over the tokens of all ranks; the experts of tokens stay apart."""
        total = RoutedTokens(self.count)
        sums = ranks.all_reduce(torch.stack([self.products, self.gates, self.tokens]))
        total.products, total.gates, total.tokens = sums
        total.chosen = self.chosen
        return total

    def lost(self, places: Tensor) -> Tensor:
        """Count the tokens by how many experts have to go until they have none left.

        Args:
            places: ``[count]`` int64; the place of each expert in the order of their removal, in
                which several may go at once.

        Returns:
            ``[n]`` fp64; at ``i``, how many tokens have experts with places below ``i`` alone, and
            one with the place ``i - 1``. At 0 are tokens without any expert.
        """
        ends = torch.cat([places + 1, torch.zeros(1, dtype=torch.int64)])  # that of -1 is the last
        counts = torch.zeros(int(ends.max()) + 1, dtype=torch.float64)
        for index in self.chosen:
            counts += torch.bincount(ends[index.long()].amax(-1), minlength=len(counts))
        return counts


@contextmanager
def observed_experts(experts: nn.Module, name: str, tokens: RoutedTokens) -> Iterator[None]:
    """During the ``with`` body, add the tokens that run through a module of experts to ``tokens``.

    Each token runs through one of its experts at a time, with a weight of 1, so that the module
    returns the outputs before they are weighted. What the block gets is their weighted sum, as
    from the module itself but for the rounding.

    Args:
        experts: the module, which takes tokens ``[tokens, hidden]``, the indices of their experts
            and the weights of these, both ``[tokens, chosen]``.
        name: its name, for errors.
        tokens: what is observed.

    Raises:
        UnsupportedModelError: the module takes something else; raised when the block runs.
        NotFiniteError: an output is NaN or infinity; raised when the block runs.
    """
    run = experts.forward

    def forward(hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        index, weights = _routing(name, hidden, [*args, *kwargs.values()])
        chosen = index.shape[1]
        rows = hidden.repeat_interleave(chosen, dim=0)
        alone = run(rows, index.reshape(-1, 1), torch.ones_like(weights).reshape(-1, 1))
        outputs = alone.unflatten(0, (-1, chosen)).float()
        norms = torch.linalg.vector_norm(outputs, dim=-1)
        if not bool(norms.sum().isfinite()):
            raise NotFiniteError(f"the output of an expert of {name}")
        tokens.add(index, weights, norms)
        summed: Tensor = (outputs * weights[..., None].float()).sum(1).to(alone.dtype)
        return summed

    experts.forward = forward
    try:
        yield
    finally:
        del experts.forward


def _routing(name: str, hidden: Tensor, given: list[Any]) -> tuple[Tensor, Tensor]:
    """Return the indices of the tokens' experts, and their weights, both ``[tokens, chosen]``."""
    if len(given) == 2 and all(isinstance(value, Tensor) for value in given):
        index, weights = given
        fits = hidden.ndim == 2 and index.shape == weights.shape == (len(hidden), index.shape[-1])
        if fits and not index.is_floating_point() and weights.is_floating_point():
            return index, weights
    raise UnsupportedModelError(
        f"{name} gets no indices of experts with a weight for each, so that its routing cannot be "
        "observed",
        "choose a method that zeroes weights, such as wanda",
    )
