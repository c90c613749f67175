"""The share of its units that each block loses, raised step by step (Adapt-Pruner)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from worker.pruning.methods.adapt import next_sparsities, shifted
from worker.pruning.structure.measures import Adapt
from worker.pruning.sweep.measurement.model_run import ModelRun
from worker.pruning.sweep.removal.block_distances import BlockDistances
from worker.pruning.sweep.removal.model_units import ModelUnits
from worker.pruning.sweep.results import UnitProgress


@dataclass(frozen=True)
class AdaptShares:
    """Measures the blocks again and again, without the units that they have lost so far.

    Attributes:
        run: the model, from which earlier increments may have removed units.
        settings: in how many steps the shares rise, and how they differ.
    """

    run: ModelRun
    units: ModelUnits
    settings: Adapt

    def search(
        self, importance: Tensor, parameters: float, windows: Tensor
    ) -> Generator[UnitProgress, None, list[float]]:
        """Raise the shares until the units of all blocks together lose ``parameters``.

        Args:
            importance: ``[n]``; the importance of each unit, which decides the order in which a
                block loses its units.
            parameters: how many parameters are removed.
            windows: the token ids ``[windows, tokens]`` of all ranks that measure the blocks.

        Yields:
            The progress after each step.

        Returns:
            For each block, the share of its units' parameters that it loses.
        """
        run, units = self.run, self.units
        sizes = units.sizes()
        lost = [own / size for own, size in zip(units.lost_sizes(), sizes, strict=True)]
        shares, wanted = lost, parameters / sum(sizes)
        steps = self.settings.steps_to(wanted - _mean(lost, sizes))
        embedded, states = run.embedded(windows), run.states()
        measuring = BlockDistances(run, units.of_block)
        for step in range(steps):
            removed = units.removed_below(importance, units.kept_by_share(shares))
            states.clear()
            for hidden in embedded:
                states.append(hidden)
            measure = partial(measuring.measure, states, removed)
            distances = run.progress.measure_once(f"distances {step}", measure)
            left = max(wanted - _mean(shares, sizes), 0.0)
            rise = min(self.settings.rise or left / (steps - step), left)
            shares = next_sparsities(shares, distances, rise)
            yield UnitProgress(step + 1, steps)
        return shifted(shares, sizes, parameters, lost)


def _mean(shares: Sequence[float], sizes: Sequence[int]) -> float:
    """Return the share that all blocks lose together; ``sizes`` are their parameters in units."""
    return sum(share * size for share, size in zip(shares, sizes, strict=True)) / sum(sizes)
