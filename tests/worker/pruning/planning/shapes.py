"""The shapes of a decoder, a workload, and a machine with enough memory."""

from worker.pruning.base.shapes import BlockShape, LayerShape, ModelShape, ParameterCounts
from worker.pruning.planning.memory_limits import Headroom
from worker.pruning.planning.workload import Workload
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.refinement.settings import Refinement
from worker.pruning.sweep.quantization.rounding_work import RoundingWork
from worker.pruning.sweep.refinement.training_work import TrainingWork

AMPLE = Headroom(400_000_000, 400_000_000, 1 << 40, "free memory")
WORK = Workload(128, 64, 1024, "float32", "cpu", "zpruner", None, "fused")


def llama(blocks: int = 4, hidden: int = 1024, vocabulary: int = 32_000) -> ModelShape:
    """Return the shapes of a Llama that is stored in float32, with tied embeddings."""
    wide = 3 * hidden
    attention = (
        LayerShape(hidden, hidden),
        LayerShape(hidden, hidden, shares_input=True),
        LayerShape(hidden, hidden, shares_input=True),
        LayerShape(hidden, hidden),
    )
    mlp = (LayerShape(wide, hidden), LayerShape(wide, hidden, True), LayerShape(hidden, wide))
    layers = attention + mlp
    inside = ParameterCounts({"float32": sum(layer.weights for layer in layers)}, wide * hidden)
    outside = ParameterCounts({"float32": vocabulary * hidden}, vocabulary * hidden)
    stored = blocks * inside.stored_bytes + outside.stored_bytes
    block = BlockShape(inside, layers)
    return ModelShape((block,) * blocks, outside, outside, stored, hidden, wide, vocabulary)


def training(
    refinement: Refinement, correction: float = 0.0, shape: ModelShape | None = None
) -> TrainingWork:
    """Return the work of training the blocks of a Llama, whose first four layers are a half."""
    halves = [
        tuple(sum(layer.weights for layer in half) for half in (block.layers[:4], block.layers[4:]))
        for block in (shape or llama()).blocks
    ]
    return TrainingWork(refinement, tuple(halves), correction)


def rounding(scheme: Scheme, shape: ModelShape | None = None) -> RoundingWork:
    """Return the work of quantising all layers of a model."""
    return RoundingWork(scheme, tuple(block.layers for block in (shape or llama()).blocks))
