"""Removing the experts with the lowest scores from the blocks of a sweep."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from torch import Tensor, nn

from worker.pruning.base.memory import trim_heap
from worker.pruning.calibration.calibrated_block import Calibration
from worker.pruning.experts.layers import ExpertLayer
from worker.pruning.experts.routed_tokens import RoutedTokens, observed_experts
from worker.pruning.experts.scored_layer import ScoredLayer
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.experts.smaller_mixture import SmallerMixture
from worker.pruning.model.activations import Activations
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.sweep.recipe.stage import SmallerBlock, StageResult
from worker.pruning.sweep.results import UnitProgress


@dataclass(frozen=True)
class ExpertCutter:
    """Removes experts from the blocks of a sweep.

    Attributes:
        calibration: runs the windows.
        mixture: the model with fewer experts.
        settings: how many experts stay, and which.
        second_text: the indices of this rank's batches of a second text.
        second: how many windows the second text has.
        known: the scores of each block's experts, if they were measured before the first block is
            cut; None for a block without experts.
    """

    calibration: Calibration
    mixture: SmallerMixture
    settings: ExpertSettings
    second_text: frozenset[int]
    second: int
    known: Sequence[ScoredLayer | None] = ()

    @property
    def smaller(self) -> MetaModel:
        """The model with fewer experts, whose weights are not written yet."""
        return self.mixture.model

    @property
    def basis(self) -> list[Any] | None:
        """The values that scores depend on besides the dense model and the windows.

        None if each block is scored after the blocks before it were cut.
        """
        return ["experts", self.settings.score, self.second] if self.settings.from_dense else None

    def measure(self, states: Activations) -> Generator[UnitProgress, None, list[Any]]:
        """Score the experts of the dense model, as `BlockCutter.measure` does.

        Raises:
            NotFiniteError, UnsupportedModelError: as `cut`.
        """
        model, scored = self.calibration.meta_model, list[dict[str, Any] | None]()
        for index, layer in enumerate(self.mixture.layers):
            if index + 1 < len(model.blocks):
                model.read_ahead(index + 1)
            with model.loaded_block(index, model.read_block(index)) as block:
                own = layer and self._scored(block, index, layer, states, advances=True)
                if layer is None:
                    self.calibration.block_inputs.advance(block, index, states)
            scored.append(None if own is None else asdict(own))
            trim_heap()
            yield UnitProgress(len(scored), len(model.blocks))
        return scored

    def knowing(self, measured: Sequence[Any]) -> Self:
        """Return the cutter that takes the scores from the result of `measure`."""
        known = (own and ScoredLayer.from_json(own) for own in measured)
        return replace(self, known=tuple(known))

    def cut(
        self, block: nn.Module, index: int, stored: Mapping[str, Tensor], streams: Streams
    ) -> SmallerBlock:
        """Remove experts of a block, as `BlockCutter.cut` does.

        Raises:
            NotFiniteError: the output of an expert contains NaN or infinity.
            UnsupportedModelError: the block calls its experts in another way than is known.
        """
        dense = self.calibration.meta_model
        if (layer := self.mixture.layers[index]) is None:
            unchanged = StageResult({}, copied=self.mixture.copied(dense, index, None))
            return SmallerBlock(dict(stored), unchanged)
        known = self.known[index] if self.known else None
        scored = known or self._scored(block, index, layer, streams.calibration, advances=False)
        count = self.mixture.count - self.mixture.kept
        result = scored.result(layer.name, count)
        trim_heap()
        kept = scored.kept(count)
        copied = self.mixture.copied(dense, index, kept)
        smaller = self.mixture.cut(index, stored, kept)
        return SmallerBlock(smaller, StageResult({"experts": result}, copied=copied))

    def _scored(
        self,
        block: nn.Module,
        index: int,
        layer: ExpertLayer,
        states: Activations,
        *,
        advances: bool,
    ) -> ScoredLayer:
        """Return the scores of a block's experts on the tokens of all ranks.

        If ``advances``, the states are replaced by the block's outputs.
        """
        texts = [RoutedTokens(layer.count) for _ in range(1 + (self.second > 0))]
        name = f"{self.calibration.meta_model.block_name(index)}.{layer.name}"
        for batch, hidden in enumerate(states):
            tokens = texts[batch in self.second_text]
            with observed_experts(block.get_submodule(layer.name), name, tokens):
                outputs = self.calibration.block_inputs.call(block, index, hidden)
            if advances:
                states[batch] = outputs
        groups = self.mixture.routing.groups or 1
        return ScoredLayer.of(texts, self.settings.score, groups, self.calibration.ranks)
