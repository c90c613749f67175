"""The share of its units that each block loses, raised step by step (Adapt-Pruner)."""

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.methods.adapt import next_sparsities, shifted
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.measures import Adapt
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.removal.block_distances import BlockDistances
from worker.pruning.sweep.removal.model_units import ModelUnits
from worker.pruning.sweep.results import UnitProgress

Spill = Callable[[], Path | None]
"""Returns a folder for hidden states; None if they are kept in memory."""


class AdaptShares:
    """Measures the blocks again and again, without the units that they have lost so far.

    Args:
        meta_model: the model, from which earlier increments may have removed units.
        block_inputs: embeds windows and calls the model's blocks.
        ranks: the ranks that share the windows.
        units: the units of the model.
        settings: in how many steps the shares rise, and how they differ.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        ranks: Ranks,
        units: ModelUnits,
        settings: Adapt,
    ) -> None:
        self._meta_model, self._block_inputs = meta_model, block_inputs
        self._units, self._settings = units, settings
        self._distances = BlockDistances(meta_model, block_inputs, ranks, units.of_block)

    def search(
        self,
        importance: Tensor,
        parameters: float,
        batches: Iterable[Tensor],
        progress: Progress,
        spill: Spill,
    ) -> Generator[UnitProgress, None, list[float]]:
        """Raise the shares until the units of all blocks together lose ``parameters``.

        Args:
            importance: ``[n]``; the importance of each unit, which decides the order in which a
                block loses its units.
            parameters: how many parameters are removed.
            batches: the batches of this rank's token ids that measure the blocks.
            progress: records the measurement of each step, so that no later run repeats it.
            spill: where hidden states are kept.

        Yields:
            The progress after each step.

        Returns:
            For each block, the share of its units' parameters that it loses.
        """
        sizes = self._units.sizes()
        lost = [own / size for own, size in zip(self._units.lost_sizes(), sizes, strict=True)]
        shares, wanted = lost, parameters / sum(sizes)
        steps = self._settings.steps_to(wanted - _mean(lost, sizes))
        embedded, states = Activations(spill()), Activations(spill())
        with self._meta_model.loaded_embeddings():
            self._block_inputs.embed(batches, embedded.append)
        for step in range(steps):
            removed = self._units.removed_below(importance, self._units.kept_by_share(shares))
            states.clear()
            for hidden in embedded:
                states.append(hidden)
            measure = partial(self._distances.measure, states, removed)
            distances = progress.measure_once(f"distances {step}", measure)
            left = max(wanted - _mean(shares, sizes), 0.0)
            rise = min(self._settings.rise or left / (steps - step), left)
            shares = next_sparsities(shares, distances, rise)
            yield UnitProgress(step + 1, steps)
        return shifted(shares, sizes, parameters, lost)


def _mean(shares: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the share that all blocks lose together; ``sizes`` are their parameters in units."""
    return sum(share * size for share, size in zip(shares, sizes, strict=True)) / sum(sizes)
