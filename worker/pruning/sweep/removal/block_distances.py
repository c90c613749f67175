"""How much each block of the dense model changes the hidden state."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel


class BlockDistances:
    """Measures the blocks of the dense model, one in memory at a time.

    Args:
        meta_model: the model.
        block_inputs: calls the model's blocks.
        ranks: the ranks that share the inputs; the distances are means over those of all ranks.
    """

    def __init__(self, meta_model: MetaModel, block_inputs: BlockInputs, ranks: Ranks) -> None:
        self._meta_model, self._block_inputs, self._ranks = meta_model, block_inputs, ranks

    def measure(self, states: Activations) -> list[float]:
        """Return for each block 1 − cos, the mean over tokens, of its input and its output.

        Args:
            states: the first block's inputs, which are replaced by the last block's outputs.

        Raises:
            NotFiniteError: the outputs of a block contain NaN or infinity.
        """
        return [self._distance(index, states) for index in range(len(self._meta_model.blocks))]

    def _distance(self, index: int, states: Activations) -> float:
        sums = torch.zeros(2, dtype=torch.float64)
        stored = self._meta_model.read_block(index)
        with self._meta_model.loaded_block(index, stored) as block:
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
