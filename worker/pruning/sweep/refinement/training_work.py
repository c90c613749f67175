"""The memory and the time that a refinement adds to a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from worker.pruning.base.shapes import ITEM_BYTES, BlockShape
from worker.pruning.base.speed import Cost
from worker.pruning.planning.stage_work import CostParts, MemoryParts, PhaseMemory, StageWork
from worker.pruning.refinement.settings import CHECKS, FEWEST_WINDOWS, Refinement

_TRAINED_BYTES = 9  # per weight: two moments in fp32, and where it is kept
_MASTER_BYTES = 4  # per weight, and the same for its gradient
_BACKWARD_STATES = 3  # in states of a forward: those kept for the backward, and gradients
_ROUNDING_BYTES = 8  # per weight of the largest tensor: rounding it, and counting its zeros
_TARGET_BYTES = 16  # per number of a block's outputs: these, targets and errors in fp32
_TRAINING = 3.0  # in forwards: one with its backward, which takes two
_STEP_BYTES = 44  # per weight: masking and clipping its gradient, the optimizer, the copy to use
_STEP_CALLS = 2500  # of torch, per step besides its forwards


@dataclass(frozen=True)
class TrainingWork(StageWork):
    """The work of training blocks.

    Attributes:
        refinement: how they are trained.
        halves: for each half of each block, how many weights are trained in it.
        correction: the share of the dense model's outputs in the targets.
    """

    phase = "refinement"
    passes = 1  # for the targets
    advances = False
    keeps_targets = True
    fewest_windows = FEWEST_WINDOWS
    without = "refine to false"
    refinement: Refinement
    halves: tuple[tuple[int, ...], ...]
    correction: float = 0.0

    @property
    def follows_dense(self) -> bool:
        """Whether the dense model's outputs have a share in the targets."""
        return self.correction > 0

    def smaller(self) -> Iterator[tuple[str, Self]]:
        """Yield the training of halves, if whole blocks are trained."""
        if self.refinement.scope == "block":
            halves = replace(self.refinement, scope="half")
            yield 'refine to {"scope": "half"}', replace(self, refinement=halves)

    def memory(self, index: int, block: BlockShape, parts: MemoryParts) -> PhaseMemory:
        """Return the memory of training a block.

        The best weights found so far overwrite the stored weights, so they need no other memory.
        A forward in fp32 uses the master weights, so it needs no copies of its own. A forward in
        another dtype always needs copies.
        """
        windows, parameters, halves = parts.windows, block.parameters, self.halves[index]
        counts = self.refinement.window_counts(windows.calibration_windows, windows.seq_len)
        tokens, per_weight = counts.per_step * counts.tokens, _TRAINED_BYTES + _MASTER_BYTES
        if windows.dtype == "float32":
            per_weight -= _MASTER_BYTES * bool(parts.copy(parameters))
        elif not parts.copy(parameters):
            per_weight += ITEM_BYTES[windows.dtype]
        in_halves = self.refinement.scope == "half"
        trained = max(halves, default=0) if in_halves else sum(halves)
        # The gradients grow in number as the states that the backward has used are freed.
        gradients = trained * _MASTER_BYTES + _ROUNDING_BYTES * parameters.largest
        states = _BACKWARD_STATES * parts.forward(tokens)
        states += tokens * parts.shape.hidden * _TARGET_BYTES
        return parts.block_phase(block, trained * per_weight + max(gradients, states))

    def cost(self, index: int, block: BlockShape, parts: CostParts) -> Cost:
        """Return the cost of training a block and of measuring its held-out loss."""
        refinement, halves, windows = self.refinement, self.halves[index], parts.windows
        if not halves:
            return Cost()
        counts = refinement.window_counts(windows.calibration_windows, windows.seq_len)
        forwards, trainings = _TRAINING, 1
        if refinement.scope == "half" and len(halves) == 2:
            # A forward for each half; the second one needs no gradients of the first.
            forwards, trainings = 4 + halves[1] / sum(halves), 2
        run = forwards * refinement.steps * counts.per_step
        run += (1 + trainings * min(CHECKS, refinement.steps)) * counts.held_out
        steps = Cost(
            elementwise=refinement.steps * sum(halves) * _STEP_BYTES,
            calls=refinement.steps * trainings * _STEP_CALLS,
        )
        return parts.forward(block, counts.tokens) * (run * counts.tokens) + steps
