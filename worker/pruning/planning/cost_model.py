"""Predicting how many operations a sweep computes and how many bytes it processes."""

from worker.pruning.base.shapes import ITEM_BYTES, BlockShape, LayerShape, ModelShape
from worker.pruning.base.speed import Cost
from worker.pruning.planning.artifact_size import saved_bytes
from worker.pruning.planning.layer_cost import (
    SOLVER_CALLS,
    allocation_cost,
    repair_cost,
    score_cost,
    solver_cost,
)
from worker.pruning.planning.workload import Setting, Workload
from worker.pruning.stats.gram import products_share

_BLOCK_STATES = 20  # hidden states that a block reads and writes outside its layers
_LOGIT_BYTES = 24  # read and written per logit: fp32 conversion and log-softmax
_SQUARE_BYTES = 16  # per number: conversion to fp32, square, sum
_GRADIENT_BYTES = 24  # per weight and window: its gradient, and adding its square
_BACKWARD = 4  # in forwards: one to keep the states, another one, and a backward of two
# Calls of torch, Python's own work included, as small models take them.
_FORWARD_CALLS = 600  # per block and batch
_BLOCK_CALLS = 10_000  # per block: reading, writing and recording it
_LAYER_CALLS = 1000  # per layer: its moments, and choosing its mask
_GRADIENT_CALLS = 3000  # per block and window


def sweep_cost(shape: ModelShape, work: Workload, setting: Setting) -> Cost:
    """Return the cost of a whole sweep, from the embedding to the loss."""
    return _CostModel(shape, work, setting).total()


class _CostModel:
    def __init__(self, shape: ModelShape, work: Workload, setting: Setting) -> None:
        self._shape, self.windows, self._setting = shape, work, setting
        self._size = ITEM_BYTES[work.dtype]

    def total(self) -> Cost:
        blocks = [self._block(index, block) for index, block in enumerate(self._shape.blocks)]
        return sum(blocks, self._files() + self._head())

    def _block(self, index: int, block: BlockShape) -> Cost:
        work = self.windows
        cost = self.forward(block, work.seq_len) * self._calibration_tokens
        measured = work.evaluation_tokens + work.dense_tokens
        cost += self.forward(block, work.measured_seq_len) * measured
        for layer in block.layers if work.measures_layers else ():
            cost += self._statistics(layer) + self._pruning(layer)
        cost += sum((stage.cost(index, block, self) for stage in work.stages), Cost())
        cost += self._gradients(block) + self._measuring(block)
        return cost + self._copies(index, block) + self._streams()

    @property
    def _calibration_tokens(self) -> float:
        """Number of calibration tokens that run through a block, summed over its forward passes."""
        work = self.windows
        passes = work.calibrates_blocks + work.runs_dense
        own = [stage for stage in work.stages if stage.passes]
        passes += sum(stage.passes for stage in own)
        # The outputs at the end may be those of the last change.
        is_run_again = self._setting.propagation == "reference" and work.measures_layers
        passes += is_run_again or (bool(own) and not own[-1].advances)
        passes += work.allocates + _BACKWARD * work.runs_backward
        return passes * work.calibration_tokens

    def forward(self, block: BlockShape, length: int) -> Cost:
        """Return the cost of a token, in a window of this length, in a forward pass of a block."""
        pruned = sum(layer.weights for layer in block.layers)
        used = sum(layer.weights * layer.token_share for layer in block.layers)
        states = sum((layer.inputs + layer.outputs) * layer.token_share for layer in block.layers)
        hidden = self._shape.hidden
        attention = (
            2 * length * hidden
        )  # two products per earlier token, half the tokens on average
        scores = self._shape.scored_heads * length * (2 * self._size + 8)
        return Cost(
            forward_matmul=2 * (block.parameters.numbers - pruned + used + attention),
            elementwise=(2 * states + _BLOCK_STATES * hidden) * self._size + scores,
            calls=_FORWARD_CALLS / self._setting.batch(length),
        )

    def _statistics(self, layer: LayerShape) -> Cost:
        """Return the cost of computing the moments of a layer's inputs."""
        if layer.shares_input:
            return Cost()
        tokens = self.windows.calibration_tokens * layer.token_share
        squares = Cost(elementwise=tokens * layer.inputs * (_SQUARE_BYTES + self._size))
        if self.windows.own is not None:
            return self.gram(layer)
        dense = squares * self.windows.allocates
        if self.windows.solver is None and not self.windows.repairs_units:
            return dense + squares
        return dense + self.gram(layer, crossed=self.windows.corrects)

    def gram(self, layer: LayerShape, *, crossed: bool = False) -> Cost:
        """Return the cost of the Gram matrix of a layer's inputs.

        If ``crossed``, it includes the products with the inputs in the dense model.
        """
        tokens = self.windows.calibration_tokens * layer.token_share
        share = products_share(layer.inputs) + crossed
        return Cost(gram_matmul=2 * share * tokens * layer.inputs**2)

    def _pruning(self, layer: LayerShape) -> Cost:
        work = self.windows
        solves = work.solver is not None or work.repairs_units or work.own is not None
        return self._arithmetic(layer) + Cost(calls=_LAYER_CALLS + SOLVER_CALLS * solves)

    def _arithmetic(self, layer: LayerShape) -> Cost:
        """Return the cost of pruning a layer, without Python's."""
        work = self.windows
        if work.own is not None:
            return work.own.cost(layer)
        dense = allocation_cost(layer, work.allocation) if work.allocation else Cost()
        if work.repairs_units:
            return repair_cost(layer, corrects=work.corrects)
        if work.solver is not None:
            return dense + solver_cost(layer, work.solver, work.method, corrects=work.corrects)
        if work.method is not None:
            return dense + score_cost(layer, work.method, swaps=work.swaps)
        return dense

    def _gradients(self, block: BlockShape) -> Cost:
        weights = sum(block.of_units or (layer.weights for layer in block.layers))
        windows = self.windows.calibration_windows * self.windows.runs_backward
        return Cost(
            elementwise=windows * weights * _GRADIENT_BYTES, calls=windows * _GRADIENT_CALLS
        )

    def _measuring(self, block: BlockShape) -> Cost:
        """Return the cost of running a few windows through a block, with other units each time."""
        if (measuring := self.windows.measuring) is None:
            return Cost()
        weights = sum(layer.weights for layer in block.layers) * self._size
        saved = Cost(elementwise=4 * measuring.passes * measuring.models * weights)
        return self.forward(block, measuring.tokens) * measuring.run_tokens + saved

    def _copies(self, index: int, block: BlockShape) -> Cost:
        """Return the cost of reading a block, converting it and writing it."""
        parameters = block.parameters
        times = 1 + self.windows.allocates + 2 * self.windows.runs_backward
        if (measuring := self.windows.measuring) is not None:
            times += measuring.passes + measuring.needs_losses
        converted = parameters.copied_bytes(self.windows.dtype)
        return Cost(
            reading=times * parameters.stored_bytes,
            elementwise=times * (2 * converted + parameters.joined_bytes),
            writing=parameters.stored_bytes - saved_bytes(index, block, self.windows.stages),
            calls=_BLOCK_CALLS,
        )

    def _streams(self) -> Cost:
        """Return the cost of writing hidden states to files and reading them."""
        bytes_ = self.windows.stream_tokens * self._shape.hidden * self._size
        return Cost(elementwise=4 * bytes_ * self._setting.spills)

    def _files(self) -> Cost:
        """Return the cost of reading and writing the tensors outside the blocks."""
        inside = sum(block.parameters.stored_bytes for block in self._shape.blocks)
        outside = self._shape.embeddings.stored_bytes + self._shape.head.stored_bytes
        rest = self._shape.stored_bytes - inside
        cut = Cost()
        if self._shape.removed_bytes:  # the sweep's result is read again, and cut
            stored = self._shape.stored_bytes
            cut = Cost(reading=stored, writing=stored - self._shape.removed_bytes)
        cut += sum((stage.files_cost(self._shape) for stage in self.windows.stages), Cost())
        if (measuring := self.windows.measuring) is not None and measuring.needs_losses:
            outside *= 1 + measuring.passes
        return cut + Cost(reading=outside + rest, writing=rest)

    def _head(self) -> Cost:
        """Return the cost of the head, the losses and the comparison of predictions."""
        work, vocabulary = self.windows, self._shape.vocabulary
        compared = work.compared_windows * work.measured_seq_len
        losses = 1 + (work.dense_windows is None)  # the dense loss may be known
        tokens = 2 * compared + losses * (work.evaluation_tokens - compared)
        tokens += 3 * work.calibration_tokens * work.runs_backward
        if (measuring := work.measuring) is not None and measuring.needs_losses:
            tokens += measuring.passes * measuring.models * measuring.windows * measuring.tokens
        return Cost(
            forward_matmul=2 * tokens * self._shape.hidden * vocabulary,
            elementwise=tokens * vocabulary * (_LOGIT_BYTES + 2 * self._size),
        )
