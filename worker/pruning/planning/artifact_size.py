"""Predicting the size of the checkpoint that is written."""

from collections.abc import Sequence

from worker.pruning.base.shapes import BlockShape, ModelShape
from worker.pruning.planning.stage_work import StageWork


def artifact_bytes(shape: ModelShape, stages: Sequence[StageWork]) -> int:
    """Return the size of the tensors that are written of a model after these stages."""
    saved = sum(saved_bytes(index, block, stages) for index, block in enumerate(shape.blocks))
    return shape.stored_bytes - shape.removed_bytes - saved


def saved_bytes(index: int, block: BlockShape, stages: Sequence[StageWork]) -> int:
    """Return by how much the stages make the written block of this index smaller."""
    return sum(stage.saved_bytes(index, block) for stage in stages)
