"""Predicting the peak memory of each phase of a sweep."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from worker.pruning.base.shapes import (
    ITEM_BYTES,
    BlockShape,
    LayerShape,
    ModelShape,
    ParameterCounts,
)
from worker.pruning.binarization.binarize import MEMORY as BINARIZING_MEMORY
from worker.pruning.methods import units
from worker.pruning.methods.registry import get_solver
from worker.pruning.planning.layer_memory import score_bytes, solver_bytes
from worker.pruning.planning.workload import Setting, Workload
from worker.pruning.quantization.rounding import MEMORY as ROUNDING_MEMORY
from worker.pruning.refinement.settings import Refinement

_COPY_BYTES = 64 << 20  # tensors outside the blocks that are copied at a time
_LOGITS_BYTES = 16 << 20  # fp32 logits that are computed at a time
_LIBRARY_BYTES = 16 << 20  # buffers of the linear algebra libraries
_NORM_BYTES = 4  # per weight: the norm of its gradient
_BACKWARD_STATES = 3  # in states of a forward: those kept for the backward, and gradients
_RETURNED_BYTES = 4 << 20  # size from which freed memory is returned: `fix_malloc_thresholds`
_FRAGMENTATION = 1.8  # highest measured ratio of heap memory to the states in it
# Per weight, its score, and a copy and masks of it; for `matrix` of one matrix at a time. Where
# whole blocks are measured, no weight is scored.
_MEASURED_BYTES = {"owl": 9, "dlp": 11, "matrix": 9, "depth": 0}
_TRAINED_BYTES = 9  # per weight: two moments in fp32, and where it is kept
_MASTER_BYTES = 4  # per weight, and the same for its gradient
_ROTATED_COPIES = 2  # of a block: with the rotation of values and without
_ROTATION_BYTES = 8  # per weight: rotated, and used, in fp32
_ROUNDING_BYTES = 8  # per weight of the largest tensor: rounding it, and counting its zeros
_TARGET_BYTES = 16  # per number of a block's outputs: these, targets and errors in fp32


@dataclass(frozen=True)
class PhaseMemory:
    """Bytes of memory on the host and on the device; 0 on the device if the CPU computes."""

    host_bytes: int
    device_bytes: int


def memory_by_phase(shape: ModelShape, work: Workload, setting: Setting) -> dict[str, PhaseMemory]:
    """Return the memory that each phase needs in addition to what the process already uses.

    A job has all or some of these phases: ``embedding`` computes the embeddings, ``allocation``
    measures the dense model, ``rotation`` rotates a block before the sweep, ``gradients`` runs a
    block forward and backward on one window, ``units`` runs it without some units, ``blocks``
    prunes a block, ``refinement`` trains a pruned block, ``quantization`` rounds the weights of a
    block, ``rest`` copies the tensors outside the blocks, and ``losses`` computes the losses. For a
    phase that runs once for each block, the result is the memory of the block that needs the most.
    """
    return _MemoryModel(shape, work, setting).phases()


class _MemoryModel:
    def __init__(self, shape: ModelShape, work: Workload, setting: Setting) -> None:
        self._shape, self._work, self._setting = shape, work, setting
        self._size = ITEM_BYTES[work.dtype]
        tokens = work.calibration_tokens + work.evaluation_tokens
        self._batch = min(setting.batch(work.longest), tokens)  # tokens

    def phases(self) -> dict[str, PhaseMemory]:
        phases = {"embedding": self._embed()}
        if self._work.rotates:
            phases["rotation"] = self._largest_block(self._rotate)
        if self._work.allocation is not None:
            measured = partial(self._measure_scores, _MEASURED_BYTES[self._work.allocation])
            phases["allocation"] = self._largest_block(measured)
        if self._work.runs_backward:
            phases["gradients"] = self._largest_block(self._measure_gradients)
        if self._work.measuring is not None and self._work.measuring.passes:
            phases["units"] = self._largest_block(self._measure_units)
        phases["blocks"] = self._largest_block(self._prune)
        if (refinement := self._work.refinement) is not None:
            phases["refinement"] = self._largest_block(partial(self._refine, refinement))
        if self._work.scheme is not None:
            phases["quantization"] = self._largest_block(self._quantize)
        largest = max(self._shape.embeddings.largest_bytes, self._shape.head.largest_bytes)
        phases["rest"] = self._phase(max(min(_COPY_BYTES, self._shape.stored_bytes), largest), 0)
        measuring = self._work.measuring is not None and self._work.measuring.needs_losses
        if self._work.evaluation_windows or self._work.runs_backward or measuring:
            phases["losses"] = self._head()
        return phases

    def _phase(self, host: int, computing: int) -> PhaseMemory:
        """Return the memory of a phase.

        ``host`` bytes are always on the host; ``computing`` bytes are where the forwards run:
        on the host or on the GPU.
        """
        host += self._streams() + _LIBRARY_BYTES
        if self._work.device == "cpu":
            return PhaseMemory(host + computing, 0)
        return PhaseMemory(host, computing + _LIBRARY_BYTES)

    def _block_phase(self, block: BlockShape, running: int, norms: int = 0) -> PhaseMemory:
        """Return the peak memory of a phase that handles one block at a time.

        On a CPU, this is the larger of two peaks: while tensors are joined, and while the block
        runs. With a GPU, the host's peak is the first, and the GPU's peak is the second.
        """
        parameters, computing = block.parameters, self._copy(block.parameters) + running
        if self._work.device == "cpu":
            return self._phase(
                parameters.stored_bytes + norms, max(parameters.joined_bytes, computing)
            )
        return self._phase(parameters.read_bytes + norms, computing)

    def _streams(self) -> int:
        """Return the bytes that hidden states between two blocks take in the host's memory."""
        tokens = self._work.stream_tokens
        tokens = min(tokens, self._batch) if self._setting.spills else tokens
        return tokens * self._shape.hidden * self._size

    def _embed(self) -> PhaseMemory:
        first = self._shape.blocks[0].parameters
        host, computing = self._loaded(self._shape.embeddings)
        computing += self._copy(first) + self._forward(self._batch)
        return self._phase(host + first.stored_bytes, computing)

    def _head(self) -> PhaseMemory:
        length = min(self._work.longest, max(1, _LOGITS_BYTES // (4 * self._shape.vocabulary)))
        converted = 0 if self._work.dtype == "float32" else self._size
        logits = length * self._shape.vocabulary * (8 + converted)  # with their log-softmax
        logits *= 1 + self._work.runs_backward  # with the gradients of both
        states = length * self._shape.hidden * (3 * self._size + 8)
        host, computing = self._loaded(self._shape.head)
        return self._phase(host, computing + logits + states)

    def _measure_scores(self, bytes_per_weight: int, block: BlockShape) -> PhaseMemory:
        weights = sum(layer.weights for layer in block.layers)
        scores = weights * bytes_per_weight + max(map(self._score, block.layers), default=0)
        running = max(self._forward(self._batch), scores)
        return self._block_phase(block, running)

    def _measure_gradients(self, block: BlockShape) -> PhaseMemory:
        sizes = block.of_units or tuple(layer.weights for layer in block.layers)
        # The sums of squares, the gradients of all weights, and one in fp32 with its square.
        weights, largest = sum(sizes), max(sizes, default=0)
        summed = weights * (_NORM_BYTES + self._size) + 2 * _NORM_BYTES * largest
        running = summed + _BACKWARD_STATES * self._forward(self._batch)
        return self._block_phase(block, running)

    def _measure_units(self, block: BlockShape) -> PhaseMemory:
        """Return the memory of running a block without some units, whose weights are saved."""
        running = self._forward(self._batch)
        running += sum(layer.weights for layer in block.layers) * self._size
        measuring = self._work.measuring
        if measuring is not None and measuring.needs_losses and self._setting.spills:
            running += measuring.stream_tokens * self._shape.hidden * self._size  # never in files
        return self._block_phase(block, running)

    def _prune(self, block: BlockShape) -> PhaseMemory:
        fused = self._setting.propagation == "fused"
        # Dense batches wait for both propagations until the last layer has its moments.
        waiting = (fused + self._work.corrects) * self._states(block)
        waiting *= self._work.calibrates_blocks
        dense_copy = block.parameters.numbers * self._size * self._work.corrects
        running = waiting + dense_copy + max(self._forward(self._batch), self._layers(block))
        weights = sum(layer.weights for layer in block.layers)
        norms = 2 * _NORM_BYTES * weights * self._work.needs_gradients  # two: one as it is read
        return self._block_phase(block, running, norms)

    def _rotate(self, block: BlockShape) -> PhaseMemory:
        """Return the memory of rotating a block: copies of it, and one that computes in fp32."""
        parameters = block.parameters
        copies = _ROTATED_COPIES * parameters.stored_bytes
        return self._block_phase(block, parameters.numbers * _ROTATION_BYTES, copies)

    def _refine(self, refinement: Refinement, block: BlockShape) -> PhaseMemory:
        """Return the memory of training a block.

        The best weights found so far overwrite the stored weights, so they need no other memory.
        A forward in fp32 uses the master weights, so it needs no copies of its own. A forward in
        another dtype always needs copies.
        """
        work, parameters = self._work, block.parameters
        counts = refinement.window_counts(work.calibration_windows, work.seq_len)
        tokens, per_weight = counts.per_step * counts.tokens, _TRAINED_BYTES + _MASTER_BYTES
        if work.dtype == "float32":
            per_weight -= _MASTER_BYTES * bool(self._copy(parameters))
        elif not self._copy(parameters):
            per_weight += self._size
        trained = max(block.halves, default=0) if refinement.scope == "half" else sum(block.halves)
        # The gradients grow in number as the states that the backward has used are freed.
        gradients = trained * _MASTER_BYTES + _ROUNDING_BYTES * parameters.largest
        states = _BACKWARD_STATES * self._forward(tokens)
        states += tokens * self._shape.hidden * _TARGET_BYTES
        return self._block_phase(block, trained * per_weight + max(gradients, states))

    def _quantize(self, block: BlockShape) -> PhaseMemory:
        """Return the memory of rounding a block's weights, which leaves one byte for each."""
        is_fused = self._setting.propagation == "fused"
        solving = solver_bytes(
            block.rounded,
            ROUNDING_MEMORY,
            converted=self._converts,
            keeps=not is_fused,
            corrects=False,
        )
        running = is_fused * self._states(block) + max(self._forward(self._batch), solving)
        return self._block_phase(block, running, sum(layer.weights for layer in block.rounded))

    def _layers(self, block: BlockShape) -> int:
        """Return the peak bytes of scoring or solving layers one by one; 0 if none is pruned."""
        if self._work.repairs_units:
            memory = units.MEMORY
        elif self._work.binarized is not None:
            memory = BINARIZING_MEMORY
        elif self._work.solver is not None:
            memory = get_solver(self._work.solver).memory
        elif self._work.method is not None:
            return max(map(self._score, block.layers), default=0)
        else:
            return 0
        return solver_bytes(
            block.layers,
            memory,
            converted=self._converts,
            keeps=self._setting.propagation == "reference",
            corrects=self._work.corrects,
        )

    def _largest_block(self, phase: Callable[[BlockShape], PhaseMemory]) -> PhaseMemory:
        memories = [phase(block) for block in self._shape.blocks]
        return PhaseMemory(
            max(memory.host_bytes for memory in memories),
            max(memory.device_bytes for memory in memories),
        )

    def _copy(self, parameters: ParameterCounts) -> int:
        """Return the bytes of the forward's copies of weights.

        On a CPU, the forward uses stored weights of its own dtype without a copy.
        """
        if self._work.device == "cpu":
            return parameters.copied_bytes(self._work.dtype)
        return parameters.numbers * self._size

    def _loaded(self, parameters: ParameterCounts) -> tuple[int, int]:
        """Return the bytes needed to load parameters: on the host, and on the GPU.

        The second number is 0 if the CPU computes.
        """
        if self._work.device == "cpu":
            return parameters.loading_bytes(self._work.dtype), 0
        return parameters.read_bytes, parameters.numbers * self._size

    def _forward(self, tokens: int) -> int:
        """Return the peak bytes of a block's forward on a batch of ``tokens`` tokens.

        At its peak, a gated MLP holds three states as wide as the MLP; attention holds eight states
        of the hidden size.
        """
        hidden, widest = self._shape.hidden, self._shape.widest
        features = max(3 * widest, 8 * hidden) + 3 * hidden
        between = 2 + self._shape.scored_heads * (
            self._size + 4
        )  # bytes per pair of tokens: masks and scores
        return tokens * (features * self._size + self._work.longest * between)

    def _states(self, block: BlockShape) -> int:
        """Return the bytes of all batches' states while they wait at a layer of a block.

        This is the larger of two cases: the states wait at the layer with the widest input, or at
        attention's last layer. If the streams are in files, the block's input is included;
        otherwise it is counted as one of the streams.
        """
        hidden = self._shape.hidden
        own = [hidden] * self._setting.spills
        widest = max((layer.inputs for layer in block.layers), default=0)
        projected = sum(layer.outputs for layer in _first_group(block.layers))
        mlp, attention = [widest, hidden, hidden], [projected, hidden, hidden]
        return max(self._waiting([*own, *mlp]), self._waiting([*own, *attention]))

    def _waiting(self, states: list[int]) -> int:
        """Return the bytes that all calibration tokens' states take while they wait at a layer.

        Small tensors count more than once, because they are in the C library's heap, and the heap
        fragments when only some of them are freed. The memory of large tensors returns to the
        system as soon as they are freed.

        Args:
            states: number of features of each state.
        """
        numbers = 0.0  # per token
        for features in states:
            is_small = self._batch * features * self._size < _RETURNED_BYTES
            numbers += features * (_FRAGMENTATION if is_small else 1)
        return round(self._work.calibration_tokens * numbers * self._size)

    def _score(self, layer: LayerShape) -> int:
        return score_bytes(layer, self._converts)

    @property
    def _converts(self) -> bool:
        """Whether weights have to be converted to fp32, the dtype of scores."""
        return any("float32" not in block.parameters.entries for block in self._shape.blocks)


def _first_group(layers: tuple[LayerShape, ...]) -> Iterator[LayerShape]:
    """Yield the first layers, which share an input: attention's Q, K and V projections."""
    yield from layers[:1]
    yield from takewhile(lambda layer: layer.shares_input, layers[1:])
