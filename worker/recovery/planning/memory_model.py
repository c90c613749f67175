"""Predicting the peak memory of a recovery, and the size of its files."""

from dataclasses import dataclass

from worker.pruning.base.shapes import ModelShape
from worker.recovery.planning.sizes import (
    CHUNK_TOKENS,
    FORWARD_TOKENS,
    LOGITS_BYTES,
    STATE_BYTES,
    TARGET_BYTES,
    top_count,
)
from worker.recovery.planning.workload import (
    RecoverySetting,
    RecoveryWork,
    TrainedNumbers,
    item_bytes,
)
from worker.recovery.settings import Recovery

_LIBRARY_BYTES = 16 << 20  # buffers of the linear algebra libraries
_TRAINED_BYTES = 16  # per trained number: itself, its gradient and two moments, in fp32
_MASK_BYTES = 1
_LOSS_COPIES = 8  # of the fp32 logits: other dtypes, softmaxes and gradients


@dataclass(frozen=True)
class RecoveryMemory:
    """The memory that a recovery adds to what the process used before.

    Attributes:
        host_bytes: memory on the host.
        device_bytes: memory on the GPU; 0 if the CPU computes.
    """

    host_bytes: int
    device_bytes: int


def recovery_memory(
    shape: ModelShape, recovery: Recovery, work: RecoveryWork, setting: RecoverySetting
) -> RecoveryMemory:
    """Return the peak memory of a recovery in this setting."""
    model = _MemoryModel(shape, recovery, work, setting)
    teacher, training = model.teacher(), model.training()
    return RecoveryMemory(
        max(teacher.host_bytes, training.host_bytes),
        max(teacher.device_bytes, training.device_bytes),
    )


def scratch_bytes(shape: ModelShape, recovery: Recovery, work: RecoveryWork) -> int:
    """Return the maximum total size of the files that a recovery keeps while it runs.

    First these are the dense model's predictions and the hidden states of a chunk. Later they are
    the predictions and the files of the training: its last state, the state that is being written,
    and the best weights, each with its masks if these change. A smaller model is trained outside of
    the job's other files, so that it is stored before and after.
    """
    trained = TrainedNumbers.of(shape.trained, recovery).trained
    tokens = work.teacher_tokens(recovery)
    chunk = min(tokens, CHUNK_TOKENS[work.device])
    states = chunk * shape.hidden * item_bytes(work)
    saved = (2 * STATE_BYTES + 4 + 3 * _MASK_BYTES * recovery.changes_mask) * trained
    models = 2 * shape.smaller.stored_bytes if shape.smaller else 0
    return tokens * _target_bytes(shape) + max(states, saved) + models


def _target_bytes(shape: ModelShape) -> int:
    """Return the bytes needed to store the dense model's prediction for one token."""
    return TARGET_BYTES * top_count(shape.vocabulary)


class _MemoryModel:
    def __init__(
        self, shape: ModelShape, recovery: Recovery, work: RecoveryWork, setting: RecoverySetting
    ) -> None:
        self._dense, self._shape, self._recovery, self._work = shape, shape.trained, recovery, work
        self._setting = setting
        self._numbers = TrainedNumbers.of(self._shape, recovery)
        self._size = item_bytes(work)
        self._tokens = setting.micro_batch_tokens(recovery, work)

    def teacher(self) -> RecoveryMemory:
        """Return the memory of running a chunk through the dense model."""
        chunk = min(CHUNK_TOKENS[self._work.device], self._work.teacher_tokens(self._recovery))
        targets = 2 * chunk * _target_bytes(self._dense)  # twice, as they are joined
        block = TrainedNumbers.of(self._dense, self._recovery).largest_block
        stored = max(shape.parameters.read_bytes for shape in self._dense.blocks)
        longest = max(self._work.seq_len, self._work.evaluation_seq_len)
        tokens = max(longest, FORWARD_TOKENS[self._work.device])
        features = max(3 * self._dense.widest, 8 * self._dense.hidden)
        batch = tokens * features * self._size
        head = self._outside() + self._logits()
        return self._memory(targets + stored, max(block * self._size + batch, head))

    def training(self) -> RecoveryMemory:
        """Return the memory of training."""
        numbers = self._numbers
        held = self._weights() + self._size * numbers.fixed + self._outside()
        running = self._effective() + self._activations() + self._logits()
        stepping = 3 * 4 * numbers.largest_layer
        copied, at_most = self._copied(), max(running, stepping)
        if self._work.device == "cpu" and self._recovery.only_routers:
            # No step copies a block: they are read before all of them, and written after.
            return self._memory(0, held + max(copied, at_most))
        return self._memory(copied, held + at_most)

    def _memory(self, host: int, computing: int) -> RecoveryMemory:
        host += _LIBRARY_BYTES
        if self._work.device == "cpu":
            return RecoveryMemory(host + computing, 0)
        return RecoveryMemory(host, computing + _LIBRARY_BYTES)

    def _copied(self) -> int:
        """Return the host bytes for copies of a block or of a state, whichever are larger.

        A block is copied when it is read or written, and a state when it is saved. If the CPU
        computes, saving a state needs no copy. A kind that changes the mask reads the dense
        block beside the pruned one.
        """
        copies = 2 + self._recovery.changes_mask
        block = copies * max(shape.parameters.read_bytes for shape in self._shape.blocks)
        moments = 0 if self._work.device == "cpu" else 8 * self._numbers.trained
        return max(block, moments)

    def _outside(self) -> int:
        return self._size * self._numbers.outside

    @property
    def _is_adapter(self) -> bool:
        return self._recovery.kind in {"mask_lora", "spp"}

    def _weights(self) -> int:
        """Return the bytes of weights, gradients, moments and masks.

        With several processes, each holds all masks, its part of the rest, and one whole block.
        """
        ranks, numbers = self._work.ranks, self._numbers
        divided = _TRAINED_BYTES * numbers.trained + self._is_adapter * numbers.weight_bytes
        masks = 0 if self._is_adapter else _MASK_BYTES * numbers.weights
        gathers = ranks > 1 and not self._recovery.only_routers
        block = 2 * 4 * numbers.largest_block if gathers else 0  # with its gradients
        return divided // ranks + masks + block

    def _effective(self) -> int:
        """Return the bytes for computing the weights, and for keeping them for the backward.

        The weights of all blocks are kept, or those of one block if the backward runs each block's
        forward again. In fp32, ``masked`` keeps none, because it uses the trained weights directly,
        unless they are rounded. Routers are too small to count.
        """
        if self._recovery.only_routers:
            return 0
        weights = self._numbers.weights
        if self._setting.recomputes:
            weights = self._numbers.largest_block
        kept = {
            "masked": 0 if self._size == 4 and not self._recovery.rounds else self._size,
            "ast": self._size,
            "mask_lora": self._size,
            "spp": self._size,
        }
        computed = 4 * 4 * self._numbers.largest_layer
        return weights * kept[self._recovery.kind] + computed

    def _activations(self) -> int:
        """Return the bytes of the activations that are kept for the backward.

        Each block keeps the inputs of its norms, matrices, activation functions and attention. If
        the backward runs each block's forward again, only one block at a time keeps these; of the
        other blocks, only the input of the block itself is kept. Matrices that are not trained need
        no inputs, so that what counts is their outputs, of which each token has those of its own
        experts.
        """
        shape = self._shape
        scores = shape.scored_heads * self._work.seq_len * (self._size + 4)
        features = 12 * shape.hidden + 5 * shape.widest
        if self._recovery.only_routers:
            features = 8 * shape.hidden + 3 * self._outputs() // 2
        kept = features * self._size + scores  # of a token
        blocks = len(shape.blocks)
        between = blocks * shape.hidden * self._size if self._setting.recomputes else 0
        return self._tokens * (between + kept * (1 if self._setting.recomputes else blocks))

    def _outputs(self) -> int:
        """Return how many features the layers of a block give for a token, in the largest block."""
        return round(
            max(
                sum(layer.outputs * layer.token_share for layer in block.layers)
                for block in self._shape.blocks
            )
        )

    def _logits(self) -> int:
        """Return the bytes needed to compute the loss of one piece of the hidden states."""
        whole = self._tokens * self._shape.vocabulary * 4
        return _LOSS_COPIES * min(whole, LOGITS_BYTES[self._work.device])
