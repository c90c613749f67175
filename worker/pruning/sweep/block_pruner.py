"""Pruning the linear layers of one block."""

import torch
from torch import Tensor
from transformers import PretrainedConfig

from worker.pruning.base.errors import NotFiniteError, SolverFailedError
from worker.pruning.base.masking import apply_mask_, count_zeros
from worker.pruning.base.memory import trim_heap
from worker.pruning.methods.correction import corrected
from worker.pruning.methods.patterns import Pattern
from worker.pruning.methods.registry import METHODS
from worker.pruning.model.fused_projections import Part, has_unknown_layout, layer_parts
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.gram import GramMoments
from worker.pruning.stats.input_moments import Moments, VarianceMoments
from worker.pruning.sweep.gradients import BlockGradients
from worker.pruning.sweep.recipe import Recipe
from worker.pruning.sweep.report import LayerReport

# From here on, what the forward has freed is worth returning before a layer is scored.
_LARGE_BYTES = 4 << 20
# Tokens of an expert from which a score with their norms, and a repaired mask, leave less output
# error than one without: measured on SmolLM2-135M with the layers of two blocks.
_FEWEST_TO_SCORE = 32
_FEWEST_TO_REPAIR = 2  # for each input feature


class BlockPruner:
    """Prunes the layers of one block in place.

    The stored weight is the one that is scored and kept, in its own dtype; the layer that computes
    the forward gets the same values.

    Args:
        name: the block's name, for errors.
        stored: the block's parameters in their stored dtype; pruned in place.
        recipe: how to prune.
        pattern: which scores of this block survive.
        config: the model's; says how fused projections are laid out.
        gradients: in the stored weights, for a method that needs them.
    """

    def __init__(
        self,
        name: str,
        stored: dict[str, Tensor],
        recipe: Recipe,
        pattern: Pattern,
        config: PretrainedConfig,
        gradients: BlockGradients | None = None,
    ) -> None:
        self._name, self._stored, self._config = name, stored, config
        self._recipe, self._selection = recipe, recipe.selection(pattern)
        self._gradients = gradients
        self.reports: list[LayerReport] = []

    def __call__(self, layer: LinearLayer, moments: Moments) -> None:
        """Prune one layer, each part of a fused one by itself.

        Where too few tokens came, or a solver fails, a mask by score alone stands, and the report
        says so.

        Raises:
            NotFiniteError: the layer's weight, or its inputs, hold NaN or infinity.
        """
        if layer.oriented(self._stored[layer.weight_name]).nbytes >= _LARGE_BYTES:
            trim_heap()
        starved = _starved(layer, moments)
        for part in layer_parts(layer, self._config):
            fallback = starved
            if self._recipe.solver and starved is None:
                fallback = _unrepairable(layer, moments) or self._repair(layer, part, moments)
            if fallback or self._recipe.solver is None:
                self._mask(layer, part, None if starved else moments)
            if fallback is None and has_unknown_layout(layer, self._config):
                fallback = "fused in a layout that is not known: its parts compete with each other"
            self._report(layer, part, moments, fallback)

    def _mask(self, layer: LinearLayer, part: Part, moments: Moments | None) -> None:
        """Zero what the score drops; the weights that stay keep their bits."""
        keep = self._keep(layer, part, moments)
        for weight in (self._stored[layer.weight_name], layer.weight):
            matrix = layer.oriented(weight)
            rows = part.of(matrix)
            apply_mask_(rows, keep.to(weight.device))
            part.write(matrix, rows)

    def _keep(self, layer: LinearLayer, part: Part, moments: Moments | None) -> Tensor:
        """Return which weights stay, ``[out, in]`` bool."""
        score, swaps = self._score(layer, part, moments), self._recipe.swaps
        if swaps is None or not swaps.wants(layer.name) or moments is None:
            return self._selection.keep(score)
        if not isinstance(moments, VarianceMoments):
            raise TypeError("swaps need VarianceMoments")
        return swaps.keep(self._weight(layer, part), moments, self._selection, score)

    def _repair(self, layer: LinearLayer, part: Part, moments: Moments) -> str | None:
        """Let the solver change the kept weights; say why where it could not."""
        solver = self._recipe.solver
        if solver is None or not isinstance(moments, GramMoments):
            raise TypeError("a solver needs GramMoments")
        weight = self._weight(layer, part).float()
        score = self._score(layer, part, moments) if self._recipe.method else None
        damping = self._recipe.damping if self._recipe.damping is not None else solver.damping
        try:
            gram = moments.gram()
            cross = moments.cross() if isinstance(moments, CrossMoments) else None
            if score is not None:
                score.masked_fill_(gram.dead, -1.0)  # the solver zeros them: they count first
            if cross is not None:
                weight = corrected(weight, gram, cross, self._recipe.correction, damping)
            repaired = solver.solve(weight, gram, self._selection, score, damping)
        except SolverFailedError as error:
            return str(error)
        stored = self._stored[layer.weight_name]
        part.write(layer.oriented(stored), repaired.to(stored.device, stored.dtype))
        layer.copy_from(stored)
        return None

    def _score(self, layer: LinearLayer, part: Part, moments: Moments | None) -> Tensor:
        weight, gradients = self._weight(layer, part), []
        if moments is None:
            sq_mean, method = torch.ones(layer.inputs, device=weight.device), METHODS["magnitude"]
        else:
            sq_mean, method = moments.sq_mean(), self._recipe.method or METHODS["wanda"]
            if method.gradients:
                gradients.append(self._gradient(layer, part, moments.tokens))
        score = method.score(weight, sq_mean, *gradients)
        if not bool(score.sum().isfinite()):
            raise NotFiniteError(f"{self._name}.{layer.name}")
        return score

    def _weight(self, layer: LinearLayer, part: Part) -> Tensor:
        """Return the part's stored weight ``[out, in]`` where the forward computes."""
        stored = part.of(layer.oriented(self._stored[layer.weight_name]))
        return stored.to(layer.weight.device)

    def _gradient(self, layer: LinearLayer, part: Part, tokens: int) -> Tensor:
        """Return what `scores.gblm` takes, ``[out, in]`` fp32, where the forward computes.

        The published score adds it to norms over the windows; ours are roots of means over tokens.
        So it is divided by the root of how many tokens of a window came: of an expert's, its own.
        """
        if self._gradients is None:
            raise TypeError("this method needs gradients")
        norm = part.of(layer.oriented(self._gradients.norms[layer.weight_name]))
        share: float = (tokens / self._gradients.windows) ** 0.5
        return norm.to(layer.weight.device) / share

    def _report(
        self, layer: LinearLayer, part: Part, moments: Moments, fallback: str | None
    ) -> None:
        stored = part.of(layer.oriented(self._stored[layer.weight_name]))
        report = LayerReport(
            name=layer.weight_name,
            expert=layer.expert,
            part=part.name,
            zeros=count_zeros(stored),
            weights=stored.numel(),
            tokens=moments.tokens,
            fallback=fallback,
            damping=moments.damping if isinstance(moments, GramMoments) else None,
        )
        self.reports.append(report)


def _starved(layer: LinearLayer, moments: Moments) -> str | None:
    """Say so where too few tokens came for their norms to mean anything."""
    fewest = _FEWEST_TO_SCORE if layer.is_routed else 1
    if moments.tokens >= fewest:
        return None
    return f"{moments.tokens} calibration tokens came, fewer than {fewest}: pruned by magnitude"


def _unrepairable(layer: LinearLayer, moments: Moments) -> str | None:
    """Say so where a solver would fit an expert's weights to the few tokens that came."""
    fewest = _FEWEST_TO_REPAIR * layer.inputs
    if not layer.is_routed or moments.tokens >= fewest:
        return None
    return f"{moments.tokens} calibration tokens came, fewer than {fewest}: left unrepaired"
