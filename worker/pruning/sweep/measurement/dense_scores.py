"""One pass over the dense model that measures each block's scores, for an allocation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.methods.allocation import MatrixScores
from worker.pruning.methods.scores import wanda
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.fused_projections import layer_parts, matrix_name
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.sweep.recipe.recipe import Recipe


@dataclass(frozen=True)
class DenseScores:
    """Measures the blocks of the dense model, using the Wanda scores of their matrices.

    Attributes:
        block_inputs: calls the model's blocks.
        recipe: decides which layers are measured.
        ranks: the ranks that share the inputs; the scores are computed over the inputs of
            all ranks.
    """

    meta_model: MetaModel
    block_inputs: BlockInputs
    recipe: Recipe
    ranks: Ranks

    def measure(
        self, states: Activations, measure_block: Callable[[Sequence[MatrixScores]], Any]
    ) -> Iterator[Any]:
        """Yield the result of ``measure_block`` for each block, or None for a block without scores.

        Args:
            states: the first block's inputs, which are replaced by the last block's outputs.
            measure_block: called with the scores of a block's matrices, without the matrices that
                no token reached.

        Raises:
            NotFiniteError: a layer's weight, or its inputs, contain NaN or infinity.
        """
        for index in range(len(self.meta_model.blocks)):
            stored = self.meta_model.read_block(index)
            with self.meta_model.loaded_block(index, stored) as block:
                scores = self._scores(block, index, states)
                yield measure_block(scores) if scores else None

    def _scores(self, block: nn.Module, index: int, states: Activations) -> list[MatrixScores]:
        """Run the states through a block, and return the scores of its matrices."""
        name, scores = self.meta_model.block_name(index), list[MatrixScores]()

        def advance(batch: int) -> None:
            states[batch] = self.block_inputs.call(block, index, states[batch])

        def score(layer: LinearLayer, moments: InputMoments) -> None:
            for part in layer_parts(layer, self.meta_model.config) if moments.tokens else ():
                wanda_scores = wanda(part.of(layer.oriented(layer.weight)), moments.sq_mean())
                if not bool(wanda_scores.sum().isfinite()):
                    raise NotFiniteError(f"{name}.{layer.name}")
                scores.append(MatrixScores(matrix_name(layer, part), wanda_scores, moments.tokens))

        layers = self.recipe.layers(self.meta_model, index, block)
        collector = InputCollector(InputMoments)
        BlockCalibration(layers, advance, len(states), score, collector, self.ranks).run_reference()
        return scores
