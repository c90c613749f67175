"""Predicting the peak memory of each phase of a sweep."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import takewhile

from worker.pruning.base.shapes import (
    ITEM_BYTES,
    BlockShape,
    LayerShape,
    ModelShape,
    ParameterCounts,
)
from worker.pruning.methods import units
from worker.pruning.methods.registry import get_solver
from worker.pruning.methods.solvers.solver import SolverMemory
from worker.pruning.planning.layer_memory import score_bytes, solver_bytes
from worker.pruning.planning.stage_work import PhaseMemory
from worker.pruning.planning.workload import Setting, Workload

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


def memory_by_phase(shape: ModelShape, work: Workload, setting: Setting) -> dict[str, PhaseMemory]:
    """Return the memory that each phase needs in addition to what the process already uses.

    A job has all or some of these phases: ``embedding`` computes the embeddings, ``allocation``
    measures the dense model, ``gradients`` runs a block forward and backward on one window,
    ``units`` runs it without some units, ``blocks`` prunes a block, ``rest`` copies the tensors
    outside the blocks, and ``losses`` computes the losses. Each stage has a phase of its own. For a
    phase that runs once for each block, the result is the memory of the block that needs the most.
    """
    return _MemoryModel(shape, work, setting).phases()


class _MemoryModel:
    def __init__(self, shape: ModelShape, work: Workload, setting: Setting) -> None:
        self.shape, self.windows, self._setting = shape, work, setting
        self._size = ITEM_BYTES[work.dtype]
        tokens = work.calibration_tokens + work.evaluation_tokens
        self.batch_tokens = min(setting.batch(work.longest), tokens)

    def phases(self) -> dict[str, PhaseMemory]:
        phases = {"embedding": self._embed()}
        phases |= self._of_stages(comes_first=True)
        if self.windows.allocation is not None:
            measured = partial(self._measure_scores, _MEASURED_BYTES[self.windows.allocation])
            phases["allocation"] = self._largest_block(measured)
        if self.windows.runs_backward:
            phases["gradients"] = self._largest_block(self._measure_gradients)
        if self.windows.measuring is not None and self.windows.measuring.passes:
            phases["units"] = self._largest_block(self._measure_units)
        phases["blocks"] = self._largest_block(self._prune)
        phases |= self._of_stages(comes_first=False)
        largest = max(self.shape.embeddings.largest_bytes, self.shape.head.largest_bytes)
        phases["rest"] = self._phase(max(min(_COPY_BYTES, self.shape.stored_bytes), largest), 0)
        measuring = self.windows.measuring is not None and self.windows.measuring.needs_losses
        if self.windows.evaluation_windows or self.windows.runs_backward or measuring:
            phases["losses"] = self._head()
        return phases

    def _phase(self, host: int, computing: int) -> PhaseMemory:
        """Return the memory of a phase.

        ``host`` bytes are always on the host; ``computing`` bytes are where the forwards run:
        on the host or on the GPU.
        """
        host += self._streams() + _LIBRARY_BYTES
        if self.windows.device == "cpu":
            return PhaseMemory(host + computing, 0)
        return PhaseMemory(host, computing + _LIBRARY_BYTES)

    def block_phase(self, block: BlockShape, running: int, norms: int = 0) -> PhaseMemory:
        """Return the peak memory of a phase that handles one block at a time.

        On a CPU, this is the larger of two peaks: while tensors are joined, and while the block
        runs. With a GPU, the host's peak is the first, and the GPU's peak is the second.
        """
        parameters, computing = block.parameters, self.copy(block.parameters) + running
        if self.windows.device == "cpu":
            return self._phase(
                parameters.stored_bytes + norms, max(parameters.joined_bytes, computing)
            )
        return self._phase(parameters.read_bytes + norms, computing)

    def _streams(self) -> int:
        """Return the bytes that hidden states between two blocks take in the host's memory."""
        tokens = self.windows.stream_tokens
        tokens = min(tokens, self.batch_tokens) if self._setting.spills else tokens
        return tokens * self.shape.hidden * self._size

    def _embed(self) -> PhaseMemory:
        first = self.shape.blocks[0].parameters
        host, computing = self._loaded(self.shape.embeddings)
        computing += self.copy(first) + self.forward()
        return self._phase(host + first.stored_bytes, computing)

    def _head(self) -> PhaseMemory:
        length = min(self.windows.longest, max(1, _LOGITS_BYTES // (4 * self.shape.vocabulary)))
        converted = 0 if self.windows.dtype == "float32" else self._size
        logits = length * self.shape.vocabulary * (8 + converted)  # with their log-softmax
        compares = self.windows.compared_windows > 0
        logits *= 1 + (self.windows.runs_backward or compares)  # gradients, or of both models
        states = length * self.shape.hidden * (3 * self._size + 8)
        states += compares * self.batch_tokens * self.shape.hidden * self._size  # of the other
        host, computing = self._loaded(self.shape.head)
        return self._phase(host, computing + logits + states)

    def _measure_scores(self, bytes_per_weight: int, block: BlockShape) -> PhaseMemory:
        weights = sum(layer.weights for layer in block.layers)
        scores = weights * bytes_per_weight + max(map(self._score, block.layers), default=0)
        running = max(self.forward(), scores)
        return self.block_phase(block, running)

    def _measure_gradients(self, block: BlockShape) -> PhaseMemory:
        sizes = block.of_units or tuple(layer.weights for layer in block.layers)
        # The sums of squares, the gradients of all weights, and one in fp32 with its square.
        weights, largest = sum(sizes), max(sizes, default=0)
        summed = weights * (_NORM_BYTES + self._size) + 2 * _NORM_BYTES * largest
        running = summed + _BACKWARD_STATES * self.forward()
        return self.block_phase(block, running)

    def _measure_units(self, block: BlockShape) -> PhaseMemory:
        """Return the memory of running a block without some units, whose weights are saved."""
        running = self.forward()
        running += sum(layer.weights for layer in block.layers) * self._size
        measuring = self.windows.measuring
        if measuring is not None and measuring.needs_losses and self._setting.spills:
            running += measuring.stream_tokens * self.shape.hidden * self._size  # never in files
        return self.block_phase(block, running)

    def _prune(self, block: BlockShape) -> PhaseMemory:
        fused = self._setting.propagation == "fused"
        # Dense batches wait for both propagations until the last layer has its moments.
        waiting = (fused + self.windows.corrects) * self._states(block)
        waiting *= self.windows.calibrates_blocks and self.windows.measures_layers
        dense_copy = block.parameters.numbers * self._size * self.windows.corrects
        running = waiting + dense_copy + max(self.forward(), self._layers(block))
        weights = sum(layer.weights for layer in block.layers)
        norms = 2 * _NORM_BYTES * weights * self.windows.needs_gradients  # two: one as it is read
        return self.block_phase(block, running, norms)

    def _layers(self, block: BlockShape) -> int:
        """Return the peak bytes of scoring or solving layers one by one; 0 if none is pruned."""
        if self.windows.repairs_units:
            memory = units.MEMORY
        elif self.windows.own is not None:
            memory = self.windows.own.memory
        elif self.windows.solver is not None:
            memory = get_solver(self.windows.solver).memory
        elif self.windows.method is not None:
            return max(map(self._score, block.layers), default=0)
        else:
            return 0
        return self.solving(block.layers, memory, corrects=self.windows.corrects)

    def solving(
        self, layers: tuple[LayerShape, ...], memory: SolverMemory, *, corrects: bool = False
    ) -> int:
        """Return the peak bytes of solving a block's layers, as `solver_bytes` does."""
        return solver_bytes(
            layers,
            memory,
            converted=self._converts,
            keeps=self._setting.propagation == "reference",
            corrects=corrects,
        )

    def _of_stages(self, *, comes_first: bool) -> dict[str, PhaseMemory]:
        blocks = list(enumerate(self.shape.blocks))
        return {
            stage.phase: _largest([stage.memory(index, block, self) for index, block in blocks])
            for stage in self.windows.stages
            if stage.comes_first == comes_first
        }

    def _largest_block(self, phase: Callable[[BlockShape], PhaseMemory]) -> PhaseMemory:
        return _largest([phase(block) for block in self.shape.blocks])

    def copy(self, parameters: ParameterCounts) -> int:
        """Return the bytes of the forward's copies of weights.

        On a CPU, the forward uses stored weights of its own dtype without a copy.
        """
        if self.windows.device == "cpu":
            return parameters.copied_bytes(self.windows.dtype)
        return parameters.numbers * self._size

    def _loaded(self, parameters: ParameterCounts) -> tuple[int, int]:
        """Return the bytes needed to load parameters: on the host, and on the GPU.

        The second number is 0 if the CPU computes.
        """
        if self.windows.device == "cpu":
            return parameters.loading_bytes(self.windows.dtype), 0
        return parameters.read_bytes, parameters.numbers * self._size

    def forward(self, tokens: int | None = None) -> int:
        """Return the peak bytes of a block's forward on ``tokens`` tokens, by default on a batch.

        At its peak, a gated MLP holds three states as wide as the MLP; attention holds eight states
        of the hidden size.
        """
        tokens = self.batch_tokens if tokens is None else tokens
        hidden, widest = self.shape.hidden, self.shape.widest
        features = max(3 * widest, 8 * hidden) + 3 * hidden
        between = 2 + self.shape.scored_heads * (
            self._size + 4
        )  # bytes per pair of tokens: masks and scores
        return tokens * (features * self._size + self.windows.longest * between)

    def fused_states(self, block: BlockShape) -> int:
        """Return the bytes of the states that wait while layers are changed one after another."""
        return self._states(block) if self._setting.propagation == "fused" else 0

    def _states(self, block: BlockShape) -> int:
        """Return the bytes of all batches' states while they wait at a layer of a block.

        This is the larger of two cases: the states wait at the layer with the widest input, or at
        attention's last layer. If the streams are in files, the block's input is included;
        otherwise it is counted as one of the streams.
        """
        hidden = self.shape.hidden
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
            is_small = self.batch_tokens * features * self._size < _RETURNED_BYTES
            numbers += features * (_FRAGMENTATION if is_small else 1)
        return round(self.windows.calibration_tokens * numbers * self._size)

    def _score(self, layer: LayerShape) -> int:
        return score_bytes(layer, self._converts)

    @property
    def _converts(self) -> bool:
        """Whether weights have to be converted to fp32, the dtype of scores."""
        return any("float32" not in block.parameters.entries for block in self.shape.blocks)


def _largest(memories: Sequence[PhaseMemory]) -> PhaseMemory:
    return PhaseMemory(
        max(memory.host_bytes for memory in memories),
        max(memory.device_bytes for memory in memories),
    )


def _first_group(layers: tuple[LayerShape, ...]) -> Iterator[LayerShape]:
    """Yield the first layers, which share an input: attention's Q, K and V projections."""
    yield from layers[:1]
    yield from takewhile(lambda layer: layer.shares_input, layers[1:])
