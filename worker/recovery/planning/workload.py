"""The work and the setting of a recovery, as plain strings and numbers without tensors."""

from dataclasses import dataclass

from worker.pruning.base.shapes import ITEM_BYTES, LayerShape, ModelShape
from worker.recovery.planning.sizes import ADAPTER_RANK
from worker.recovery.settings import Recovery, window_count, windows_per_step


@dataclass(frozen=True)
class RecoveryWork:
    """The amount of work of a recovery.

    Attributes:
        training_windows: number of different windows that are available for training.
        held_out_windows: number of held-out windows.
        evaluation_tokens: number of evaluation tokens; their loss is measured before and after the
            training.
        seq_len: number of tokens in each training window.
        dtype: the dtype of the forward passes, such as ``bfloat16``.
        device: ``cpu`` or ``cuda``.
        ranks: number of processes, each with a part of the trained weights.
        evaluation_seq_len: number of tokens in each evaluation window; 0 if it is at most
            ``seq_len``.
    """

    training_windows: int
    held_out_windows: int
    evaluation_tokens: int
    seq_len: int
    dtype: str
    device: str
    ranks: int = 1
    evaluation_seq_len: int = 0

    def teacher_tokens(self, recovery: Recovery) -> int:
        """Return the number of tokens that run through the dense model."""
        used = min(self.training_windows, window_count(recovery, self.seq_len))
        return (used + self.held_out_windows) * self.seq_len

    def training_tokens(self, recovery: Recovery) -> int:
        """Return the number of training tokens, repeated ones included."""
        return window_count(recovery, self.seq_len) * self.seq_len


@dataclass(frozen=True)
class RecoverySetting:
    """How a recovery runs.

    Attributes:
        micro_batch_windows: maximum number of windows that run through the pruned model at a time
            in the training.
        recomputes: whether the backward runs each block's forward again rather than keeping its
            activations; this takes a third more time, but less memory.
    """

    micro_batch_windows: int
    recomputes: bool

    def micro_batch_tokens(self, recovery: Recovery, work: RecoveryWork) -> int:
        """Return the number of tokens that run through the model at a time."""
        windows = min(self.micro_batch_windows, windows_per_step(recovery, work.seq_len))
        return windows * work.seq_len


@dataclass(frozen=True)
class TrainedNumbers:
    """How many tensor entries of each sort a recovery holds in memory.

    Attributes:
        weights: entries of the matrices that the recovery changes, directly or by adapters.
        weight_bytes: the size of these matrices in their stored dtype.
        trained: entries of the parameters that are trained: these matrices, or their adapters;
            norms and routers are too small to count.
        fixed: entries of all parameters of the blocks except these matrices.
        outside: entries of the embeddings and the head.
        largest_block: entries of all matrices in the largest block, changed or not.
        largest_layer: entries of the largest of these matrices.
    """

    weights: int
    weight_bytes: int
    trained: int
    fixed: int
    outside: int
    largest_block: int
    largest_layer: int

    @classmethod
    def of(cls, shape: ModelShape, recovery: Recovery) -> "TrainedNumbers":
        """Count the tensor entries that a recovery holds for a model of this shape."""
        blocks = () if recovery.only_routers else shape.blocks
        layers = [layer for block in blocks for layer in block.layers]
        weights = sum(layer.weights for layer in layers)
        inside = sum(block.parameters.numbers for block in shape.blocks)
        inside_bytes = sum(block.parameters.stored_bytes for block in shape.blocks)
        # Matrices are nearly all of a block, so that they have the mean size of its numbers.
        size = inside_bytes / inside
        return cls(
            weights=weights,
            weight_bytes=round(weights * size),
            trained=sum(_trained(layer, recovery) for layer in layers),
            fixed=inside - weights,
            outside=round((shape.stored_bytes - inside_bytes) / size),
            largest_block=max(
                sum(layer.weights for layer in block.layers) for block in shape.blocks
            ),
            largest_layer=max((layer.weights for layer in layers), default=0),
        )


def _trained(layer: LayerShape, recovery: Recovery) -> int:
    if recovery.kind == "mask_lora":
        return ADAPTER_RANK * (layer.inputs + layer.outputs)
    if recovery.kind == "spp":
        return ADAPTER_RANK * layer.inputs + layer.outputs
    return layer.weights


def item_bytes(work: RecoveryWork) -> int:
    """Return the bytes of one tensor entry in the dtype of the forward passes."""
    return ITEM_BYTES[work.dtype]
