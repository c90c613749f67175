"""Removing units, such as MLP channels, from one block."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError, SolverFailedError
from worker.pruning.base.masking import count_zeros
from worker.pruning.calibration.collectors import Collector, InputCollector
from worker.pruning.calibration.dense_block import DenseBlock
from worker.pruning.calibration.two_texts import TwoTextCollector, TwoTextMoments
from worker.pruning.methods.correction import corrected_weight
from worker.pruning.methods.few_tokens import FEWEST_TO_REPAIR, FEWEST_TO_SCORE, reached
from worker.pruning.methods.target import Target
from worker.pruning.methods.units import (
    Repairing,
    highest,
    joint_scores,
    repaired,
    unit_scores,
)
from worker.pruning.model.fused_projections import Part
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.gradient_norms import NO_GRADIENTS
from worker.pruning.stats.gram import GramMoments
from worker.pruning.stats.input_moments import InputMoments, Moments
from worker.pruning.structure.units import Slices, Units, outside_of, ranges_of
from worker.pruning.sweep.results import LayerResult, RemovedUnits
from worker.pruning.sweep.sampled_rows import SampledRows


class UnitPruner:
    """Removes units from one block: their weights become zero, and their readers are repaired.

    The block keeps its shapes, so that it runs in the dense model; `cut_block` makes it smaller.

    Args:
        name: the block's name, for errors.
        stored: the block's parameters in their stored dtype; changed in place.
        units: the units of each module.
        kept: how many units stay, by the name of the units.
        repairing: how readers are repaired; None if they are not.
        dense: the parameters of the dense block, if an earlier increment has removed units and a
            repair takes them; None otherwise.
        second_text: the indices of this rank's batches of a second text, whose units stay, too;
            None if there is one text.
        chosen: the units to remove, by the name of the units, without modules that keep all; None
            if the moments of the readers' inputs decide.
        cuts: whether the removed units will be cut out, so that no result counts them.

    Attributes:
        results: one result for each matrix that loses rows or columns; these are not counted in it
            if ``cuts``.
        removed: the removed units of each module.
    """

    def __init__(
        self,
        name: str,
        stored: dict[str, Tensor],
        units: Sequence[Units],
        kept: Mapping[str, int],
        repairing: Repairing | None,
        dense: Mapping[str, Tensor] | None = None,
        second_text: Collection[int] | None = None,
        chosen: Mapping[str, Tensor] | None = None,
        *,
        cuts: bool = True,
    ) -> None:
        self.results: list[LayerResult] = []
        self.removed: list[RemovedUnits] = []
        self._name, self._stored, self._kept = name, stored, kept
        self._units = {group.name: group for group in units}
        self._repairing, self._dense = repairing, dense or {}
        self._second_text, self._chosen, self._cuts = second_text, chosen, cuts

    def collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[Any]:
        """Return a collector of the moments that the scores and the repair take."""
        collector = self._collector(dense_block)
        if self._second_text is None:
            return collector
        return TwoTextCollector(collector, self._second_text)

    def _collector(self, dense_block: Callable[[], DenseBlock]) -> Collector[Any]:
        if self._repairing is None:
            return InputCollector(InputMoments)
        return dense_block() if self._repairing.correction else InputCollector(GramMoments)

    def prune_layer(self, layer: LinearLayer, moments: Moments | TwoTextMoments) -> None:
        """Remove units that a layer reads: the chosen ones, or those that contribute least.

        Units that an earlier increment has removed are removed first.

        If too few tokens reach an expert for their squares, or for a repair, these are not used,
        and the result gives the reason.

        Raises:
            NotFiniteError: the layer's weight, or its inputs, contain NaN or infinity.
        """
        units, whole = self._units[layer.name], Part(None, slice(None))
        if self._chosen is not None and units.name not in self._chosen:
            return
        parameter = self._stored[layer.weight_name]
        dense = self._dense.get(layer.weight_name)
        target = Target(self._name, layer, whole, parameter, NO_GRADIENTS, dense_parameter=dense)
        sample = SampledRows(target)
        kept, unscored = self._kept_units(units, target, moments)
        moments = moments.both if isinstance(moments, TwoTextMoments) else moments
        unrepaired = self._repair(units, kept, target, moments)
        removed = outside_of(ranges_of(kept), units.count)
        for piece in units.slices:
            piece.zero(self._stored[piece.parameter], removed)
        layer.copy_from(parameter)
        ranges = ranges_of(removed)
        self.removed.append(RemovedUnits(units.name, units.count, ranges, layer.is_routed))
        reader = LayerResult(
            **self._counts(units.slices[0], kept, moments),
            expert=layer.expert,
            fallback=unscored or unrepaired,
            damping=moments.damping if isinstance(moments, GramMoments) else None,
            error=sample.error(moments),
            histogram=None if layer.is_routed else sample.histogram(),
        )
        self.results.append(reader)
        self.results += (
            LayerResult(**self._counts(piece, kept, moments), expert=piece.expert)
            for piece in units.slices[1:]
            if piece.part(self._stored[piece.parameter]).ndim > 1  # not a bias
        )

    def sizes(self) -> dict[str, int]:
        """Return how many entries each parameter of the block has, without what is cut out."""
        sizes = {name: value.numel() for name, value in self._stored.items()}
        for removed in self.removed if self._cuts else ():
            for piece in self._units[removed.name].slices:
                entries = piece.entries(self._stored[piece.parameter])
                sizes[piece.parameter] -= removed.count * entries
        return sizes

    def _kept_units(
        self, units: Units, target: Target, moments: Moments | TwoTextMoments
    ) -> tuple[Tensor, str | None]:
        """Return the units that stay; and the reason if they are not chosen as requested."""
        if self._chosen is not None:
            return outside_of(ranges_of(self._chosen[units.name]), units.count), None
        scores, unscored = self._scores_on_texts(units, target, moments)
        return highest(scores, self._kept[units.name]).cpu(), unscored

    def _scores_on_texts(
        self, units: Units, target: Target, moments: Moments | TwoTextMoments
    ) -> tuple[Tensor, str | None]:
        """Return the scores ``[units]`` on one or two texts, as `_scores` does on one.

        A second text that reaches an expert with too few tokens has no say.
        """
        if not isinstance(moments, TwoTextMoments):
            return self._scores(units, target, moments)
        first, unscored = self._scores(units, target, moments.first)
        second, unknown = self._scores(units, target, moments.second)
        return first if unknown else joint_scores(first, second), unscored

    def _scores(self, units: Units, target: Target, moments: Moments) -> tuple[Tensor, str | None]:
        """Return the scores ``[units]``; and the reason if they do not use the inputs."""
        layer, tokens = target.layer, moments.tokens
        fewest = FEWEST_TO_SCORE if layer.is_routed else 1
        unscored = tokens < fewest
        squares = torch.ones(layer.inputs) if unscored else moments.sq_mean() * tokens
        squares = squares.to(target.weight.device)
        places = units.slices[0].places
        scores = unit_scores(target.weight, squares, places)
        if not bool(scores.sum().isfinite()):
            raise NotFiniteError(target.name)
        is_read = (target.weight != 0).any(0)[places.to(scores.device)].any(1)
        scores = scores.masked_fill(~is_read, -1.0)  # below a unit that is read, but never active
        if not unscored:
            return scores, None
        return scores, f"{reached(tokens, fewest)}: chosen by the norms of the weights"

    def _repair(self, units: Units, kept: Tensor, target: Target, moments: Moments) -> str | None:
        """Repair the target; if it was not repaired as requested, return the reason."""
        if self._repairing is None or not isinstance(moments, GramMoments):
            return None
        layer, tokens = target.layer, moments.tokens
        fewest = FEWEST_TO_REPAIR * layer.inputs if layer.is_routed else 1
        if tokens < fewest:
            return f"{reached(tokens, fewest)}: not repaired"
        try:
            weight = self._aim(target, moments, self._repairing)
            features = units.features(kept).to(weight.device)
            solved = repaired(weight, moments.gram(), features, self._repairing.damping)
        except SolverFailedError as error:
            return str(error)
        target.replace(torch.zeros_like(weight).index_copy_(1, features, solved))
        return None

    def _aim(self, target: Target, moments: GramMoments, repairing: Repairing) -> Tensor:
        """Return the weight ``[out, in]`` fp32 whose outputs the repaired one approximates."""
        weight = target.weight.float()
        cross = moments.cross() if isinstance(moments, CrossMoments) else None
        if cross is None:
            return weight
        share, damping = repairing.correction, repairing.damping
        return corrected_weight(weight, moments.gram(), cross, share, damping, target.dense)

    def _counts(self, piece: Slices, kept: Tensor, moments: Moments) -> dict[str, Any]:
        parameter = self._stored[piece.parameter]
        left = piece.cut(parameter, kept) if self._cuts else piece.part(parameter)
        counts = {"zeros": count_zeros(left), "weights": left.numel()}
        return counts | {"name": piece.parameter, "tokens": moments.tokens}
