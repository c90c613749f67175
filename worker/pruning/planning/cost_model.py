"""How much work a job is, from its shapes."""

from worker.pruning.planning.layer_cost import score_cost, solver_cost
from worker.pruning.planning.shapes import ITEM_BYTES, BlockShape, LayerShape, ModelShape
from worker.pruning.planning.speed import Cost
from worker.pruning.planning.workload import Setting, Workload

_OUTSIDE = 20  # numbers of the hidden size that are read and written around a block's layers
_LOGIT_BYTES = 24  # per logit: itself, in fp32, its log-softmax and the reads in between
_SQUARES = 16  # bytes per number: in fp32, squared, summed
_PANEL = 128  # rows of a symmetric sum that are computed at a time
_SUM_BYTES = 20  # per entry: a product in fp32, added to a sum in fp64
_GRADIENT_BYTES = 24  # per weight and window: its gradient, and what adds its square
_BACKWARD = 4  # a forward to keep the states, another to go back through, and twice that back


def sweep_cost(shape: ModelShape, work: Workload, setting: Setting) -> Cost:
    """Return all that a sweep does, from the first embedding to the loss."""
    return _CostModel(shape, work, setting).total()


class _CostModel:
    def __init__(self, shape: ModelShape, work: Workload, setting: Setting) -> None:
        self._shape, self._work, self._setting = shape, work, setting
        self._size = ITEM_BYTES[work.dtype]

    def total(self) -> Cost:
        blocks = [self._block(block) for block in self._shape.blocks]
        return sum(blocks, self._files() + self._exit())

    def _block(self, block: BlockShape) -> Cost:
        done = self._forward(block) * self._forward_tokens
        for layer in block.layers:
            done += self._statistics(layer) + self._pruning(layer)
        return done + self._gradients(block) + self._copies(block) + self._streams()

    @property
    def _forward_tokens(self) -> float:
        """How many tokens go through a block, counting each time that one does."""
        work = self._work
        passes = 1 + (self._setting.propagation == "reference") + work.corrects
        passes += work.measures_outliers + _BACKWARD * work.needs_gradients
        return passes * work.calibration_tokens + work.evaluation_tokens + work.dense_tokens

    def _forward(self, block: BlockShape) -> Cost:
        """Return the work of one token's way through a block."""
        pruned = sum(layer.weights for layer in block.layers)
        reached = sum(layer.weights * layer.token_share for layer in block.layers)
        states = sum((layer.inputs + layer.outputs) * layer.token_share for layer in block.layers)
        hidden, length = self._shape.hidden, self._work.seq_len
        attention = 2 * length * hidden  # two products with each token before, on average half
        scores = self._shape.scored_heads * length * (2 * self._size + 8)
        return Cost(
            forward_matmul=2 * (block.parameters.numbers - pruned + reached + attention),
            elementwise=(2 * states + _OUTSIDE * hidden) * self._size + scores,
        )

    def _statistics(self, layer: LayerShape) -> Cost:
        """Return the work of taking the moments of a layer's inputs."""
        if layer.shares_input:
            return Cost()
        tokens = self._work.calibration_tokens * layer.token_share
        squares = Cost(elementwise=tokens * layer.inputs * (_SQUARES + self._size))
        looked = squares * self._work.measures_outliers
        if self._work.solver is None:
            return looked + squares
        batches = tokens / self._setting.batch(self._work.seq_len)
        square = layer.inputs**2
        # Of a symmetric sum half is left out, but for the panels on its diagonal.
        share = min(1.0, 0.5 + _PANEL / (2 * layer.inputs)) + self._work.corrects
        return looked + Cost(
            fp32_matmul=2 * share * tokens * square,
            elementwise=share * batches * _SUM_BYTES * square,
        )

    def _pruning(self, layer: LayerShape) -> Cost:
        work = self._work
        looked = score_cost(layer, "wanda", swaps=False) * work.measures_outliers
        if work.solver is None:
            return looked + score_cost(layer, work.method, swaps=work.swaps)
        return looked + solver_cost(layer, work.solver, work.method, corrects=work.corrects)

    def _gradients(self, block: BlockShape) -> Cost:
        weights = sum(layer.weights for layer in block.layers)
        windows = self._work.calibration_windows * self._work.needs_gradients
        return Cost(elementwise=windows * weights * _GRADIENT_BYTES)

    def _copies(self, block: BlockShape) -> Cost:
        """Return the work of reading a block, converting it and writing it."""
        part = block.parameters
        times = 1 + self._work.measures_outliers + 2 * self._work.needs_gradients
        converted = part.copied_bytes(self._work.dtype)
        return Cost(
            reading=times * part.stored_bytes,
            elementwise=times * (2 * converted + part.joined_bytes),
            writing=part.stored_bytes,
        )

    def _streams(self) -> Cost:
        """Return the work of putting states into files and taking them out again."""
        bytes_ = self._work.waiting_tokens * self._shape.hidden * self._size
        return Cost(elementwise=4 * bytes_ * self._setting.spills)

    def _files(self) -> Cost:
        """Return the work of reading and writing what is in no block."""
        inside = sum(block.parameters.stored_bytes for block in self._shape.blocks)
        ends = self._shape.embeddings.stored_bytes + self._shape.head.stored_bytes
        rest = self._shape.stored_bytes - inside
        return Cost(reading=ends + rest, writing=rest)

    def _exit(self) -> Cost:
        """Return the work of the head and the losses."""
        work, vocabulary = self._work, self._shape.vocabulary
        losses = 1 + (work.dense_windows is None)  # the dense model's may be known
        tokens = losses * work.evaluation_tokens
        tokens += 3 * work.calibration_tokens * work.needs_gradients
        return Cost(
            forward_matmul=2 * tokens * self._shape.hidden * vocabulary,
            elementwise=tokens * vocabulary * (_LOGIT_BYTES + 2 * self._size),
        )
