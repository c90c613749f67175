"""How much each block of a model changes the hidden state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.model.activations import Activations
from worker.pruning.structure.units import Units
from worker.pruning.sweep.measurement.model_run import ModelRun
from worker.pruning.sweep.removal.without_units import without_units


@dataclass(frozen=True)
class BlockDistances:
    """Measures the blocks of a model, one in memory at a time.

    Attributes:
        run: the model; distances are means over the inputs of all its ranks.
        of_block: the units of each block, of which some may be removed; empty to remove none.
    """

    run: ModelRun
    of_block: Sequence[Sequence[Units]] = ()

    def measure(
        self, states: Activations, removed: Sequence[Mapping[str, Tensor]] | None = None
    ) -> list[float]:
        """Return for each block 1 − cos, the mean over tokens, of its input and its output.

        Args:
            states: the first block's inputs, which are replaced by the last block's outputs.
            removed: for each block, the units that the model lacks, as in `without_units`; None
                for the dense model.

        Raises:
            NotFiniteError: the outputs of a block contain NaN or infinity.
        """
        blocks = len(self.run.meta_model.blocks)
        units, missing = self.of_block or [()] * blocks, removed or [{}] * blocks
        return [
            self._distance(index, states, units[index], missing[index]) for index in range(blocks)
        ]

    def _distance(
        self, index: int, states: Activations, units: Sequence[Units], removed: Mapping[str, Tensor]
    ) -> float:
        sums, model = torch.zeros(2, dtype=torch.float64), self.run.meta_model
        stored = model.read_block(index)
        with model.loaded_block(index, stored) as block, without_units(block, units, removed):
            for batch, hidden in enumerate(states):
                outputs = self.run.block_inputs.call(block, index, hidden)
                distances = _distances(hidden.to(outputs.device), outputs)
                sums += torch.stack([distances.sum(), torch.ones_like(distances).sum()]).cpu()
                states[batch] = outputs
        total, tokens = self.run.ranks.all_reduce(sums).tolist()
        distance = float(total / tokens)
        if distance != distance:
            raise NotFiniteError(f"the output of {model.block_name(index)}")
        return distance


def _distances(inputs: Tensor, outputs: Tensor) -> Tensor:
    """Return 1 − cos of each token's input and output, ``[batch, tokens]`` fp64."""
    return 1 - cosine_similarity(inputs.double(), outputs.double(), dim=-1)
