"""Choosing the channels that a sweep removes by the last tokens of prompts (PTL)."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.pruning.methods.last_tokens import agreement, counted, first_agreed
from worker.pruning.model.activations import Activations
from worker.pruning.structure.channel_places import ChannelPlace, channel_places
from worker.pruning.structure.measures import LastTokens
from worker.pruning.structure.units import Units
from worker.pruning.sweep.measurement.model_run import ModelRun
from worker.pruning.sweep.removal.lost_units import is_read
from worker.pruning.sweep.results import UnitProgress

_RECORD = "channels"
Agreements = list[dict[str, dict[str, list[int]]]]
"""For each block, how many prompts agree that each channel can go, and which are lost already, by
the name of the channels."""
Once = Callable[
    [Callable[[], Generator[UnitProgress, None, Agreements]]],
    Generator[UnitProgress, None, Agreements],
]
"""Returns a known measurement of the model, or calls the function to measure it."""


@dataclass(frozen=True)
class LastTokenChoice:
    """Chooses the channels that are removed, before the first block is pruned.

    Attributes:
        run: the model, from which earlier increments may have removed channels.
        of_block: the channels of each block.
        kept: for each block, how many units stay, by their name.
        settings: which windows are prompts, and which activations are small.
    """

    run: ModelRun
    of_block: Sequence[Sequence[Units]]
    kept: Sequence[Mapping[str, int]]
    settings: LastTokens

    def choose(
        self, goal: Tensor, general: Tensor, once: Once
    ) -> Generator[UnitProgress, None, list[dict[str, Tensor]]]:
        """Return the indices ``[n]`` int64 of the removed channels of each block, by their name.

        Args:
            goal: token ids ``[windows, tokens]`` of all ranks, of which the first are the prompts.
            general: token ids ``[windows, tokens]`` of the general text; may be empty.
            once: finds the measurement, if an earlier job has made it.

        Yields:
            The progress after each block.
        """
        measured: Agreements = []
        if not self.run.progress.is_measured(_RECORD):
            measured = yield from once(lambda: self._agreements(goal, general))
        known = self.run.progress.measure_once(_RECORD, lambda: measured)
        return [self._chosen(index, own) for index, own in enumerate(known)]

    def _chosen(self, index: int, block: dict[str, dict[str, list[int]]]) -> dict[str, Tensor]:
        """Return the removed channels of a block, by their name."""
        chosen = dict[str, Tensor]()
        for units in self.of_block[index]:
            agreed, lost = (torch.tensor(block[units.name][part]) for part in ("agreed", "lost"))
            count = units.count - self.kept[index][units.name]
            chosen[units.name] = first_agreed(agreed, lost.bool(), count)
        return chosen

    def _agreements(
        self, goal: Tensor, general: Tensor
    ) -> Generator[UnitProgress, None, Agreements]:
        """Measure all blocks; yield the progress after each."""
        prompts = goal[: self.settings.prompts]
        streams = [self.run.embedded(prompts), self.run.embedded(general)]
        measured: Agreements = []
        for index in range(len(self.of_block)):
            measured.append(self._agreed(index, streams, len(general)))
            yield UnitProgress(index + 1, len(self.of_block))
        return measured

    def _agreed(
        self, index: int, streams: Sequence[Activations], texts: int
    ) -> dict[str, dict[str, list[int]]]:
        """Return the agreements on a block's channels, and replace its inputs by its outputs."""
        stored, agreed = self.run.meta_model.read_block(index), dict[str, dict[str, list[int]]]()
        lost = {
            units.name: ~is_read(units.slices[0], stored[units.slices[0].parameter])
            for units in self.of_block[index]
        }
        with self.run.meta_model.loaded_block(index, stored) as block:
            counts = [
                self._counts(block, index, lost, states, largest=bool(which))
                for which, states in enumerate(streams)
            ]
        for units in self.of_block[index]:
            small, large = (own[units.name] for own in counts)
            agreed[units.name] = {
                "agreed": agreement(small, large, texts).tolist(),
                "lost": lost[units.name].int().tolist(),
            }
        return agreed

    def _counts(
        self,
        block: nn.Module,
        index: int,
        lost: Mapping[str, Tensor],
        states: Activations,
        *,
        largest: bool,
    ) -> dict[str, Tensor]:
        """Return in how many windows each channel is extreme, ``[places, channels]``, by name."""
        places = {units.name: channel_places(units) for units in self.of_block[index]}
        totals = {
            units.name: torch.zeros(len(places[units.name]), units.count, dtype=torch.int64)
            for units in self.of_block[index]
        }
        handles = [
            place.watched(block, self._adder(place, totals[name][row], ~lost[name], largest))
            for name, own in places.items()
            for row, place in enumerate(own)
        ]
        try:
            self.run.block_inputs.advance(block, index, states)
        finally:
            for handle in handles:
                handle.remove()
        return {name: self.run.ranks.all_reduce(total) for name, total in totals.items()}

    def _adder(
        self, place: ChannelPlace, total: Tensor, is_left: Tensor, largest: bool
    ) -> Callable[[Tensor], None]:
        """Return a function that counts the extreme channels among those that are left."""

        def add(features: Tensor) -> None:
            own = features[:, -1, place.features.to(features.device)].float().cpu()[:, is_left]
            total[is_left] += counted(own, self.settings.share, largest=largest)

        return add
