"""The most memory each phase of a sweep takes, beyond what the process holds before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from worker.pruning.planning.layer_memory import score_bytes, solver_bytes
from worker.pruning.planning.shapes import (
    ITEM_BYTES,
    BlockShape,
    LayerShape,
    ModelShape,
    ParameterCounts,
)
from worker.pruning.planning.workload import Setting, Workload

_COPY_BYTES = 64 << 20  # what is copied at a time of the tensors outside the blocks
_LOGITS_BYTES = 16 << 20  # of fp32 logits at a time
_LIBRARY_BYTES = 16 << 20  # what the linear algebra libraries keep for themselves
_NORM_BYTES = 4  # per weight of a block: the norm of its gradient
_TAPE = 3  # times a forward's states: those kept for the way back, and their gradients
_RETURNED_BYTES = 4 << 20  # tensors from here on are returned when freed: `fix_malloc_thresholds`
_HOLES = 1.5  # times the states that wait in the heap: what they take there, as measured
_OUTLIER_BYTES = 9  # per weight of a block: its score, a copy of it and a mask


@dataclass(frozen=True)
class PhaseMemory:
    """Bytes on the host and on the device; where the host computes, none on the device."""

    host_bytes: int
    device_bytes: int


def memory_by_phase(shape: ModelShape, work: Workload, setting: Setting) -> dict[str, PhaseMemory]:
    """Return the memory that each phase needs, by the name of the phase.

    The phases follow one another: ``entrance`` embeds, ``outliers`` looks at the dense model,
    ``gradients`` takes a window back through a block of it,
    ``blocks`` is the largest block, ``rest`` copies what belongs to no block, ``exit`` gives the
    losses.
    """
    return _MemoryModel(shape, work, setting).phases()


class _MemoryModel:
    def __init__(self, shape: ModelShape, work: Workload, setting: Setting) -> None:
        self._shape, self._work, self._setting = shape, work, setting
        self._size = ITEM_BYTES[work.dtype]
        tokens = work.calibration_tokens + work.evaluation_tokens
        self._batch = min(setting.batch(work.seq_len), tokens)  # tokens

    def phases(self) -> dict[str, PhaseMemory]:
        found = {"entrance": self._entrance()}
        if self._work.measures_outliers:
            found["outliers"] = self._largest_block(self._look)
        if self._work.needs_gradients:
            found["gradients"] = self._largest_block(self._take_back)
        found["blocks"] = self._largest_block(self._prune)
        largest = max(self._shape.embeddings.largest_bytes, self._shape.head.largest_bytes)
        found["rest"] = self._need(max(min(_COPY_BYTES, self._shape.stored_bytes), largest), 0)
        if self._work.evaluation_windows or self._work.needs_gradients:
            found["exit"] = self._exit()
        return found

    def _need(self, host: int, computing: int) -> PhaseMemory:
        """Return a need, given what is on the host anyway and what is where the forwards run."""
        host += self._streams() + _LIBRARY_BYTES
        if self._work.device == "cpu":
            return PhaseMemory(host + computing, 0)
        return PhaseMemory(host, computing + _LIBRARY_BYTES)

    def _with(self, block: BlockShape, running: int, norms: int = 0) -> PhaseMemory:
        """Return what is needed while a block is there; what is joined is split to be written."""
        part, computing = block.parameters, self._copy(block.parameters) + running
        if self._work.device == "cpu":
            return self._need(part.stored_bytes + norms, max(part.joined_bytes, computing))
        return self._need(part.read_bytes + norms, computing)

    def _streams(self) -> int:
        """Return the bytes of the hidden states that wait on the host."""
        tokens = self._work.waiting_tokens
        waiting = min(tokens, self._batch) if self._setting.spills else tokens
        return waiting * self._shape.hidden * self._size

    def _entrance(self) -> PhaseMemory:
        first = self._shape.blocks[0].parameters
        run = self._filled(self._shape.embeddings)
        return self._need(run[0] + first.stored_bytes, run[1] + self._copy(first) + self._forward())

    def _exit(self) -> PhaseMemory:
        length = min(self._work.seq_len, max(1, _LOGITS_BYTES // (4 * self._shape.vocabulary)))
        converted = 0 if self._work.dtype == "float32" else self._size
        logits = length * self._shape.vocabulary * (8 + converted)  # and their log-softmax
        logits *= 1 + self._work.needs_gradients  # and the gradients in both
        states = length * self._shape.hidden * (3 * self._size + 8)
        host, computing = self._filled(self._shape.head)
        return self._need(host, computing + logits + states)

    def _look(self, block: BlockShape) -> PhaseMemory:
        weights = sum(layer.weights for layer in block.layers)
        scores = weights * _OUTLIER_BYTES + max(map(self._score, block.layers), default=0)
        running = max(self._forward(), scores)
        return self._with(block, running)

    def _take_back(self, block: BlockShape) -> PhaseMemory:
        weights = sum(layer.weights for layer in block.layers)
        # The sum of squares, one gradient of each weight, and one in fp32 with its square.
        largest = max((layer.weights for layer in block.layers), default=0)
        summed = weights * (_NORM_BYTES + self._size) + 2 * _NORM_BYTES * largest
        running = summed + _TAPE * self._forward()
        return self._with(block, running)

    def _prune(self, block: BlockShape) -> PhaseMemory:
        fused = self._setting.propagation == "fused"
        # The dense stream's batches wait in either case, until the last layer has its moments.
        waiting = (fused + self._work.corrects) * self._states(block)
        twin = block.parameters.numbers * self._size * self._work.corrects
        running = waiting + twin + max(self._forward(), self._layers(block))
        weights = sum(layer.weights for layer in block.layers)
        norms = 2 * _NORM_BYTES * weights * self._work.needs_gradients  # one as it is read
        return self._with(block, running, norms)

    def _layers(self, block: BlockShape) -> int:
        """Return the bytes of scoring, or of solving, the layers one after another."""
        if self._work.solver is None:
            return max(map(self._score, block.layers), default=0)
        return solver_bytes(
            block.layers,
            self._work.solver,
            converted=self._converts,
            keeps=self._setting.propagation == "reference",
            corrects=self._work.corrects,
        )

    def _largest_block(self, need: Callable[[BlockShape], PhaseMemory]) -> PhaseMemory:
        found = [need(block) for block in self._shape.blocks]
        return PhaseMemory(
            max(one.host_bytes for one in found), max(one.device_bytes for one in found)
        )

    def _copy(self, part: ParameterCounts) -> int:
        """Return the bytes of the copies that compute; on a CPU the stored weights may do."""
        if self._work.device == "cpu":
            return part.copied_bytes(self._work.dtype)
        return part.numbers * self._size

    def _filled(self, part: ParameterCounts) -> tuple[int, int]:
        """Return what filling a part outside the blocks takes on the host, and to compute."""
        if self._work.device == "cpu":
            return part.filled_bytes(self._work.dtype), 0
        return part.read_bytes, part.numbers * self._size

    def _forward(self) -> int:
        """Return the bytes of one batch on its way through a block.

        At its widest a gated MLP holds three states, and attention eight of the hidden size.
        """
        hidden, widest = self._shape.hidden, self._shape.widest
        features = max(3 * widest, 8 * hidden) + 3 * hidden
        between = 2 + self._shape.scored_heads * (self._size + 4)  # masks and scores
        return self._batch * (features * self._size + self._work.seq_len * between)

    def _states(self, block: BlockShape) -> int:
        """Return the bytes of all batches that wait before the layer where they hold the most.

        Before the widest input there are that, the residual and its norm; before attention's last
        layer its input, the norm, and the queries, keys and values. The block's own input is there
        as well, and is one of the streams unless they are in files.
        """
        hidden = self._shape.hidden
        own = [hidden] * self._setting.spills
        widest = max((layer.inputs for layer in block.layers), default=0)
        projected = sum(layer.outputs for layer in _first_group(block.layers))
        mlp, attention = [widest, hidden, hidden], [projected, hidden, hidden]
        return max(self._waiting([*own, *mlp]), self._waiting([*own, *attention]))

    def _waiting(self, states: list[int]) -> int:
        """Return the bytes of states of so many features each, of all calibration tokens.

        The C library returns large ones as soon as they are freed. Smaller ones lie in its heap,
        where what is freed between those that stay leaves holes too small for the next.
        """
        held = 0.0
        for features in states:
            is_small = self._batch * features * self._size < _RETURNED_BYTES
            held += features * (_HOLES if is_small else 1)
        return round(self._work.calibration_tokens * held * self._size)

    def _score(self, layer: LayerShape) -> int:
        return score_bytes(layer, self._converts)

    @property
    def _converts(self) -> bool:
        """Whether weights are stored in another dtype than fp32, which scores are taken in."""
        return any("float32" not in block.parameters.entries for block in self._shape.blocks)


def _first_group(layers: tuple[LayerShape, ...]) -> Iterator[LayerShape]:
    """Yield the first layers that read the same tensor: a block begins with its attention."""
    yield from layers[:1]
    yield from takewhile(lambda layer: layer.shares_input, layers[1:])
