"""Predicting how many operations a recovery performs, and how many bytes it moves."""

from worker.pruning.base.shapes import ModelShape
from worker.pruning.base.speed import Cost
from worker.recovery.planning.sizes import (
    CHUNK_TOKENS,
    FORWARD_TOKENS,
    MEASUREMENTS,
    SAVES,
    STATE_BYTES,
)
from worker.recovery.planning.workload import (
    RecoverySetting,
    RecoveryWork,
    TrainedNumbers,
    item_bytes,
)
from worker.recovery.settings import Recovery, batch_tokens, step_count

_BACKWARD, _BACKWARD_OF_ROUTERS = 2, 1  # in forwards; matrices that stay have no gradients
_BLOCK_STATES = 20  # hidden states that a block reads and writes outside its layers
_LOSS_BYTES = 16  # read and written per logit by the loss and its gradient
_TARGET_BYTES = 12  # likewise by the dense model's probabilities
_STEP_BYTES = 60  # likewise per trained number by a step of the optimizer
# Calls of torch, Python's own work included, as small models take them.
_FORWARD_CALLS = 600  # per block and batch
_LAYER_CALLS = 100  # per trained layer and step: the optimizer, masks, clipping
_SAVE_CALLS = 20_000  # per state that is saved
_START_CALLS = 100_000


def recovery_cost(
    shape: ModelShape, recovery: Recovery, work: RecoveryWork, setting: RecoverySetting
) -> Cost:
    """Return the cost of a whole recovery."""
    return _CostModel(shape, recovery, work, setting).total()


class _CostModel:
    def __init__(
        self, shape: ModelShape, recovery: Recovery, work: RecoveryWork, setting: RecoverySetting
    ) -> None:
        self._dense, self._shape, self._recovery, self._work = shape, shape.trained, recovery, work
        self._setting = setting
        self._numbers = TrainedNumbers.of(self._shape, recovery)

    def total(self) -> Cost:
        work, shape = self._work, self._shape
        teacher = work.teacher_tokens(self._recovery)
        chunks = -(-teacher // CHUNK_TOKENS[work.device])
        measured = 1 + min(MEASUREMENTS, self._steps)  # the first time before all steps
        held_out = work.held_out_windows * work.seq_len * measured
        forward = self._forward(shape)
        cost = self._forward(self._dense) * teacher + self._loss(teacher + held_out, _TARGET_BYTES)
        cost += forward * (held_out + 2 * work.evaluation_tokens)
        backward = _BACKWARD_OF_ROUTERS if self._recovery.only_routers else _BACKWARD
        passes = 1 + backward + self._setting.recomputes
        tokens = work.training_tokens(self._recovery)
        cost += forward * (tokens * passes) + self._loss(tokens, _LOSS_BYTES) * (1 + _BACKWARD)
        dense_reads = chunks + self._recovery.changes_mask
        files = Cost(
            reading=dense_reads * self._dense.stored_bytes + 3 * shape.stored_bytes,
            writing=shape.stored_bytes
            + min(SAVES, self._steps) * STATE_BYTES * self._numbers.trained,
        )
        return cost + self._optimizer() + files

    @property
    def _micro_batch(self) -> int:
        return self._setting.micro_batch_tokens(self._recovery, self._work)

    @property
    def _steps(self) -> int:
        return step_count(self._recovery, self._work.seq_len)

    def _forward(self, shape: ModelShape) -> Cost:
        """Return the cost of a forward pass through all blocks of a model, per token."""
        size, total = item_bytes(self._work), Cost()
        batch = min(FORWARD_TOKENS[self._work.device], self._micro_batch)
        for block in shape.blocks:
            used = sum(layer.weights * layer.token_share for layer in block.layers)
            states = sum(
                (layer.inputs + layer.outputs) * layer.token_share for layer in block.layers
            )
            total += Cost(
                forward_matmul=2 * (used + 2 * self._work.seq_len * shape.hidden),
                elementwise=(2 * states + _BLOCK_STATES * shape.hidden) * size,
                calls=_FORWARD_CALLS / batch,
            )
        return total

    def _loss(self, tokens: int, logit_bytes: int) -> Cost:
        vocabulary = self._shape.vocabulary
        return Cost(
            forward_matmul=2 * tokens * self._shape.hidden * vocabulary,
            elementwise=tokens * vocabulary * logit_bytes / (1 + _BACKWARD),
        )

    def _optimizer(self) -> Cost:
        """Return the cost of all optimizer steps, and of computing weights from adapters.

        The weights are computed in each pass of each micro-batch.
        """
        numbers = self._numbers
        tokens = batch_tokens(self._recovery.tokens)
        batches = -(-tokens // self._micro_batch)
        weights = 8 * numbers.weights * (numbers.trained != numbers.weights)
        passes = 1 + _BACKWARD + self._setting.recomputes
        each = _STEP_BYTES * numbers.trained + batches * passes * weights
        layers = sum(len(block.layers) for block in self._shape.blocks)
        calls = _START_CALLS + min(SAVES, self._steps) * _SAVE_CALLS
        return Cost(
            elementwise=self._steps * each, calls=calls + self._steps * layers * _LAYER_CALLS
        )
