"""Pruning the linear layers of one block."""

import torch
from torch import Tensor

from worker.pruning.correction import corrected
from worker.pruning.errors import NotFiniteError, SolverFailedError
from worker.pruning.gram import GramMoments, PairedMoments
from worker.pruning.linears import Linear
from worker.pruning.memory import give_back
from worker.pruning.methods import METHODS
from worker.pruning.moments import Moments, SpreadMoments
from worker.pruning.patterns import Pattern
from worker.pruning.recipe import Recipe
from worker.pruning.report import LayerReport

# From here on, what the forward has freed is worth returning before a layer is scored.
_LARGE_BYTES = 4 << 20


class BlockPruner:
    """Prunes the layers of one block in place.

    The stored weight is the one that is scored and kept, in its own dtype; the layer that computes
    the forward gets the same values.

    Args:
        name: the block's name, for errors.
        stored: the block's parameters in their stored dtype; pruned in place.
        recipe: how to prune.
        pattern: which scores of this block survive.
    """

    def __init__(
        self, name: str, stored: dict[str, Tensor], recipe: Recipe, pattern: Pattern
    ) -> None:
        self._name, self._stored = name, stored
        self._recipe, self._selection = recipe, recipe.selection(pattern)
        self.reports: list[LayerReport] = []

    def __call__(self, layer: Linear, moments: Moments) -> None:
        """Prune one layer; one that no token reached is scored by its magnitudes alone.

        Where a solver fails, the mask by score alone stands, and the report says so.

        Raises:
            NotFiniteError: the layer's weight, or its inputs, hold NaN or infinity.
        """
        if self._stored[layer.weight_name].nbytes >= _LARGE_BYTES:
            give_back()
        fallback = self._repair(layer, moments) if self._recipe.solver and moments.tokens else ""
        if fallback is not None:
            self._mask(layer, moments)
        self._report(layer, moments, fallback or None)

    def _mask(self, layer: Linear, moments: Moments) -> None:
        """Zero what the score drops; the weights that stay keep their bits."""
        stored = self._stored[layer.weight_name]
        drop = ~self._keep(layer, moments)
        # Filled, not multiplied: a product with a mask stores -0.0.
        layer.oriented(stored).masked_fill_(drop.to(stored.device), 0.0)
        layer.oriented(layer.weight).masked_fill_(drop, 0.0)

    def _keep(self, layer: Linear, moments: Moments) -> Tensor:
        """Return which weights stay, ``[out, in]`` bool."""
        score, swaps = self._score(layer, moments), self._recipe.swaps
        if swaps is None or not swaps.wants(layer.name) or not moments.tokens:
            return self._selection.keep(score)
        if not isinstance(moments, SpreadMoments):
            raise TypeError("swaps need SpreadMoments")
        weight = layer.oriented(self._stored[layer.weight_name]).to(layer.weight.device)
        return swaps.keep(weight, moments, self._selection, score)

    def _repair(self, layer: Linear, moments: Moments) -> str | None:
        """Let the solver change the kept weights; say why where it could not."""
        solver = self._recipe.solver
        if solver is None or not isinstance(moments, GramMoments):
            raise TypeError("a solver needs GramMoments")
        stored = self._stored[layer.weight_name]
        weight = layer.oriented(stored).to(layer.weight.device).float()
        score = self._score(layer, moments) if self._recipe.method else None
        try:
            gram = moments.gram()
            cross = moments.cross() if isinstance(moments, PairedMoments) else None
            if cross is not None:
                weight = corrected(weight, gram, cross, self._recipe.correction)
            repaired = solver.solve(weight, gram, self._selection, score)
        except SolverFailedError as error:
            return str(error)
        layer.oriented(stored).copy_(repaired)
        layer.compute_with(stored)
        return None

    def _score(self, layer: Linear, moments: Moments) -> Tensor:
        weight = layer.oriented(self._stored[layer.weight_name]).to(layer.weight.device)
        known = moments.tokens > 0
        sq_mean = moments.sq_mean() if known else torch.ones(layer.inputs, device=weight.device)
        method = self._recipe.method or METHODS["wanda"]
        score = method.score(weight, sq_mean)
        if not bool(score.sum().isfinite()):
            raise NotFiniteError(f"{self._name}.{layer.name}")
        return score

    def _report(self, layer: Linear, moments: Moments, fallback: str | None) -> None:
        stored = self._stored[layer.weight_name]
        zeros = stored.numel() - int(stored.count_nonzero())
        damping = moments.damping if isinstance(moments, GramMoments) else None
        self.reports.append(
            LayerReport(layer.weight_name, zeros, stored.numel(), moments.tokens, fallback, damping)
        )
