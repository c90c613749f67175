"""Predicting how many operations a sweep computes and how many bytes it processes."""

from worker.pruning.base.shapes import ITEM_BYTES, BlockShape, LayerShape, ModelShape
from worker.pruning.base.speed import Cost
from worker.pruning.binarization.binarize import binarizing_cost
from worker.pruning.planning.artifact_size import saved_bytes
from worker.pruning.planning.layer_cost import (
    allocation_cost,
    repair_cost,
    score_cost,
    solver_cost,
)
from worker.pruning.planning.workload import Setting, Workload
from worker.pruning.quantization.rounding import rounding_cost
from worker.pruning.refinement.settings import CHECKS
from worker.pruning.stats.gram import products_share

_BLOCK_STATES = 20  # hidden states that a block reads and writes outside its layers
_LOGIT_BYTES = 24  # read and written per logit: fp32 conversion and log-softmax
_SQUARE_BYTES = 16  # per number: conversion to fp32, square, sum
_GRADIENT_BYTES = 24  # per weight and window: its gradient, and adding its square
_BACKWARD = 4  # in forwards: one to keep the states, another one, and a backward of two
_ROTATION_BYTES = 200  # read and written per stored byte: rotations, and trials of scales
_TRAINING = 3.0  # in forwards: one with its backward, which takes two
_STEP_BYTES = 44  # per weight: masking and clipping its gradient, the optimizer, the copy to use
# Calls of torch, Python's own work included, as small models take them.
_FORWARD_CALLS = 600  # per block and batch
_BLOCK_CALLS = 10_000  # per block: reading, writing and recording it
_LAYER_CALLS = 1000  # per layer: its moments, and choosing its mask
_SOLVER_CALLS = 1000  # per layer that is solved, repaired or rounded
_GRADIENT_CALLS = 3000  # per block and window
_STEP_CALLS = 2500  # per step of a refinement, besides its forwards


def sweep_cost(shape: ModelShape, work: Workload, setting: Setting) -> Cost:
    """Return the cost of a whole sweep, from the embedding to the loss."""
    return _CostModel(shape, work, setting).total()


class _CostModel:
    def __init__(self, shape: ModelShape, work: Workload, setting: Setting) -> None:
        self._shape, self._work, self._setting = shape, work, setting
        self._size = ITEM_BYTES[work.dtype]

    def total(self) -> Cost:
        blocks = [self._block(block) for block in self._shape.blocks]
        return sum(blocks, self._files() + self._head())

    def _block(self, block: BlockShape) -> Cost:
        work = self._work
        cost = self._forward(block, work.seq_len) * self._calibration_tokens
        measured = work.evaluation_tokens + work.dense_tokens
        cost += self._forward(block, work.measured_seq_len) * measured
        for layer in block.layers:
            cost += self._statistics(layer) + self._pruning(layer)
        for layer in block.rounded:
            cost += self._quantization(layer)
        cost += self._gradients(block) + self._refinement(block) + self._measuring(block)
        return cost + self._copies(block) + self._streams()

    @property
    def _calibration_tokens(self) -> float:
        """Number of calibration tokens that run through a block, summed over its forward passes."""
        work = self._work
        passes = work.calibrates_blocks + (self._setting.propagation == "reference")
        passes += work.runs_dense
        if work.refinement is not None:
            passes = 3 + work.runs_dense  # the targets, the pruning, and the outputs at the end
        if work.scheme is not None:
            # The outputs at the end of a refinement are those of the quantised block.
            passes += work.refinement is None or self._setting.propagation == "reference"
        passes += work.allocates + _BACKWARD * work.runs_backward
        return passes * work.calibration_tokens

    def _forward(self, block: BlockShape, length: int) -> Cost:
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
        tokens = self._work.calibration_tokens * layer.token_share
        squares = Cost(elementwise=tokens * layer.inputs * (_SQUARE_BYTES + self._size))
        if self._work.binarized is not None:
            return self._gram(layer, crossed=False)
        dense = squares * self._work.allocates
        if self._work.solver is None and not self._work.repairs_units:
            return dense + squares
        return dense + self._gram(layer, crossed=self._work.corrects)

    def _gram(self, layer: LayerShape, *, crossed: bool) -> Cost:
        """Return the cost of the Gram matrix of a layer's inputs.

        If ``crossed``, it includes the products with the inputs in the dense model.
        """
        tokens = self._work.calibration_tokens * layer.token_share
        share = products_share(layer.inputs) + crossed
        return Cost(gram_matmul=2 * share * tokens * layer.inputs**2)

    def _quantization(self, layer: LayerShape) -> Cost:
        """Return the cost of rounding a layer's weights, with the Gram matrix of its inputs."""
        if (scheme := self._work.scheme) is None:
            return Cost()
        gram = Cost() if layer.shares_input else self._gram(layer, crossed=False)
        return gram + rounding_cost(layer, scheme) + Cost(calls=_SOLVER_CALLS)

    def _pruning(self, layer: LayerShape) -> Cost:
        work = self._work
        solves = work.solver is not None or work.repairs_units or work.binarized is not None
        return self._arithmetic(layer) + Cost(calls=_LAYER_CALLS + _SOLVER_CALLS * solves)

    def _arithmetic(self, layer: LayerShape) -> Cost:
        """Return the cost of pruning a layer, without Python's."""
        work = self._work
        if work.binarized is not None:
            return binarizing_cost(layer, work.binarized)
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
        windows = self._work.calibration_windows * self._work.runs_backward
        return Cost(
            elementwise=windows * weights * _GRADIENT_BYTES, calls=windows * _GRADIENT_CALLS
        )

    def _measuring(self, block: BlockShape) -> Cost:
        """Return the cost of running a few windows through a block, with other units each time."""
        if (measuring := self._work.measuring) is None:
            return Cost()
        weights = sum(layer.weights for layer in block.layers) * self._size
        saved = Cost(elementwise=4 * measuring.passes * measuring.models * weights)
        return self._forward(block, measuring.tokens) * measuring.run_tokens + saved

    def _refinement(self, block: BlockShape) -> Cost:
        """Return the cost of training a block and of measuring its held-out loss."""
        work, refinement = self._work, self._work.refinement
        if refinement is None or not block.halves:
            return Cost()
        counts = refinement.window_counts(work.calibration_windows, work.seq_len)
        forwards, trainings = _TRAINING, 1
        if refinement.scope == "half" and len(block.halves) == 2:
            # A forward for each half; the second one needs no gradients of the first.
            forwards, trainings = 4 + block.halves[1] / sum(block.halves), 2
        windows = forwards * refinement.steps * counts.per_step
        windows += (1 + trainings * min(CHECKS, refinement.steps)) * counts.held_out
        weights = sum(block.halves)
        steps = Cost(
            elementwise=refinement.steps * weights * _STEP_BYTES,
            calls=refinement.steps * trainings * _STEP_CALLS,
        )
        return self._forward(block, counts.tokens) * (windows * counts.tokens) + steps

    def _copies(self, block: BlockShape) -> Cost:
        """Return the cost of reading a block, converting it and writing it."""
        parameters = block.parameters
        times = 1 + self._work.allocates + 2 * self._work.runs_backward
        if (measuring := self._work.measuring) is not None:
            times += measuring.passes + measuring.needs_losses
        converted = parameters.copied_bytes(self._work.dtype)
        return Cost(
            reading=times * parameters.stored_bytes,
            elementwise=times * (2 * converted + parameters.joined_bytes),
            writing=parameters.stored_bytes - saved_bytes(block, self._work.scheme),
            calls=_BLOCK_CALLS,
        )

    def _streams(self) -> Cost:
        """Return the cost of writing hidden states to files and reading them."""
        bytes_ = self._work.stream_tokens * self._shape.hidden * self._size
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
        if self._work.rotates:  # the model is read twice, rotated and written before the sweep
            stored, numbers = self._shape.stored_bytes, _ROTATION_BYTES * self._shape.stored_bytes
            cut += Cost(reading=2 * stored, writing=stored, elementwise=numbers)
        if (measuring := self._work.measuring) is not None and measuring.needs_losses:
            outside *= 1 + measuring.passes
        return cut + Cost(reading=outside + rest, writing=rest)

    def _head(self) -> Cost:
        """Return the cost of the head and the losses."""
        work, vocabulary = self._work, self._shape.vocabulary
        losses = 1 + (work.dense_windows is None)  # the dense loss may be known
        tokens = losses * work.evaluation_tokens
        tokens += 3 * work.calibration_tokens * work.runs_backward
        if (measuring := work.measuring) is not None and measuring.needs_losses:
            tokens += measuring.passes * measuring.models * measuring.windows * measuring.tokens
        return Cost(
            forward_matmul=2 * tokens * self._shape.hidden * vocabulary,
            elementwise=tokens * vocabulary * (_LOGIT_BYTES + 2 * self._size),
        )
