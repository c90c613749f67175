"""The rotation of a sweep's model, which is rotated and written before the sweep."""

from dataclasses import dataclass
from typing import Self

from worker.pruning.base.shapes import BlockShape, ModelShape
from worker.pruning.base.speed import Cost
from worker.pruning.planning.stage_work import MemoryParts, PhaseMemory, StageWork
from worker.pruning.rotation.structure import rotatable
from worker.pruning.sweep.recipe.stage import StagedModel, SweepStage

_COPIES = 2  # of a block: with the rotation of values and without
_ROTATED_BYTES = 8  # per weight: rotated, and used, in fp32
_TRIAL_BYTES = 200  # read and written per stored byte: rotations, and trials of scales


@dataclass(frozen=True)
class Rotating(SweepStage, StageWork):
    """The rotation of a model, which is written before the sweep reads it."""

    phase = "rotation"
    comes_first = True

    def check(self, model: StagedModel) -> None:
        """Check that the model can be rotated.

        Raises:
            RotationError: it cannot be.
        """
        rotatable(model.meta_model)

    def work(self, model: StagedModel) -> Self:
        """Return the work of writing the rotated model."""
        return self

    def memory(self, index: int, block: BlockShape, parts: MemoryParts) -> PhaseMemory:
        """Return the memory of rotating a block: copies of it, and one that computes in fp32."""
        parameters = block.parameters
        copies = _COPIES * parameters.stored_bytes
        return parts.block_phase(block, parameters.numbers * _ROTATED_BYTES, copies)

    def files_cost(self, shape: ModelShape) -> Cost:
        """Return the cost of reading the model twice, and of writing it rotated."""
        stored = shape.stored_bytes
        return Cost(reading=2 * stored, writing=stored, elementwise=_TRIAL_BYTES * stored)

    def scratch_bytes(self, shape: ModelShape) -> int:
        """Return the size of the rotated model, which is deleted at the end."""
        return shape.stored_bytes
