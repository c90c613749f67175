"""Removing the experts with the lowest scores from the blocks of a sweep."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.pruning.base.memory import trim_heap
from worker.pruning.calibration.calibrated_block import Calibration
from worker.pruning.experts.choice import expert_scores, lowest_experts
from worker.pruning.experts.layers import ExpertLayer
from worker.pruning.experts.results import ExpertsResult
from worker.pruning.experts.routed_tokens import RoutedTokens, observed_experts
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.experts.smaller_mixture import SmallerMixture
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.streams import Streams
from worker.pruning.structure.units import outside_of, ranges_of
from worker.pruning.sweep.recipe.stage import SmallerBlock, StageResult


@dataclass(frozen=True)
class ExpertCutter:
    """Removes experts from the blocks of a sweep.

    Attributes:
        calibration: runs the windows.
        mixture: the model with fewer experts.
        settings: how many experts stay, and which.
        second_text: the indices of this rank's batches of a second text.
        is_split: whether there is a second text.
    """

    calibration: Calibration
    mixture: SmallerMixture
    settings: ExpertSettings
    second_text: frozenset[int]
    is_split: bool

    @property
    def smaller(self) -> MetaModel:
        """The model with fewer experts, of which no weights are stored yet."""
        return self.mixture.model

    def cut(
        self, block: nn.Module, index: int, stored: Mapping[str, Tensor], streams: Streams
    ) -> SmallerBlock:
        """Remove experts of a block, as `BlockCutter.cut` does.

        Raises:
            NotFiniteError: the output of an expert contains NaN or infinity.
            UnsupportedModelError: the block calls its experts in another way than is known.
        """
        if (layer := self.mixture.layers[index]) is None:
            return SmallerBlock(dict(stored), StageResult({}))
        texts = self._observed(block, index, layer, streams)
        removed, scores = self._chosen(texts)
        kept = outside_of(ranges_of(removed), layer.count)
        result = self._result(layer, texts, scores, removed, kept)
        trim_heap()
        return SmallerBlock(self.mixture.cut(index, stored, kept), StageResult({"experts": result}))

    def _observed(
        self, block: nn.Module, index: int, layer: ExpertLayer, streams: Streams
    ) -> list[RoutedTokens]:
        """Return what is observed of the tokens of each text, over all ranks."""
        states = streams.dense_calibration if self.settings.from_dense else streams.calibration
        texts = [RoutedTokens(layer.count) for _ in range(1 + self.is_split)]
        name = f"{self.calibration.meta_model.block_name(index)}.{layer.name}"
        for batch, hidden in enumerate(states):
            tokens = texts[batch in self.second_text]
            with observed_experts(block.get_submodule(layer.name), name, tokens):
                self.calibration.block_inputs.call(block, index, hidden)
        return [text.all_reduced(self.calibration.ranks) for text in texts]

    def _chosen(self, texts: list[RoutedTokens]) -> tuple[Tensor, Tensor]:
        """Return the experts to remove, ``[n]`` int64, and the scores of all, ``[experts]``."""
        by_text = [self._scores(text) for text in texts]
        scores = expert_scores(by_text[0], by_text[1] if len(by_text) > 1 else None)
        count = self.mixture.count - self.mixture.kept
        return lowest_experts(scores, count, self.mixture.routing.groups or 1), scores

    def _scores(self, text: RoutedTokens) -> Tensor:
        return text.means() if self.settings.score == "reap" else text.tokens

    def _result(
        self,
        layer: ExpertLayer,
        texts: list[RoutedTokens],
        scores: Tensor,
        removed: Tensor,
        kept: Tensor,
    ) -> ExpertsResult:
        gates = torch.stack([text.gates for text in texts]).sum(0)
        own = torch.stack([text.unrouted(removed) for text in texts]).sum(0)
        total, lost = self.calibration.ranks.all_reduce(own).tolist()
        tokens = torch.stack([text.tokens for text in texts]).sum(0)
        return ExpertsResult(
            name=layer.name,
            kept=tuple(kept.tolist()),
            scores=tuple(scores.tolist()),
            tokens=tuple(map(int, tokens.tolist())),
            gate_removed=float(gates[removed].sum() / gates.sum().clamp(min=1e-300)),
            unrouted=lost / max(total, 1),
        )
