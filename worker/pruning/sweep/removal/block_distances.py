"""How much each block of a model changes the hidden state."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.units import Units
from worker.pruning.sweep.removal.without_units import without_units


class BlockDistances:
    """Measures the blocks of a model, one in memory at a time.

    Args:
        meta_model: the dense model.
        block_inputs: calls the model's blocks.
        ranks: the ranks that share the inputs; the distances are means over those of all ranks.
        units: the units of each block, of which some may be removed; empty to remove none.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        ranks: Ranks,
        units: Sequence[Sequence[Units]] = (),
    ) -> None:
        self._meta_model, self._block_inputs, self._ranks = meta_model, block_inputs, ranks
        self._units = units or [()] * len(meta_model.blocks)

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
        blocks = range(len(self._meta_model.blocks))
        missing = removed or [{}] * len(blocks)
        return [self._distance(index, states, missing[index]) for index in blocks]

    def _distance(self, index: int, states: Activations, removed: Mapping[str, Tensor]) -> float:
        sums = torch.zeros(2, dtype=torch.float64)
        stored = self._meta_model.read_block(index)
        with (
            self._meta_model.loaded_block(index, stored) as block,
            without_units(block, self._units[index], removed),
        ):
            for batch, hidden in enumerate(states):
                outputs = self._block_inputs.call(block, index, hidden)
                distances = _distances(hidden.to(outputs.device), outputs)
                sums += torch.stack([distances.sum(), torch.ones_like(distances).sum()]).cpu()
                states[batch] = outputs
        total, tokens = self._ranks.all_reduce(sums).tolist()
        distance = float(total / tokens)
        if distance != distance:
            raise NotFiniteError(f"the output of {self._meta_model.block_name(index)}")
        return distance


def _distances(inputs: Tensor, outputs: Tensor) -> Tensor:
    """Return 1 − cos of each token's input and output, ``[batch, tokens]`` fp64."""
    return 1 - cosine_similarity(inputs.double(), outputs.double(), dim=-1)
