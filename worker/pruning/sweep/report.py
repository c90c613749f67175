"""What is said about a sweep while it runs and when it ends."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from worker.pruning.model.shards import Shard
from worker.pruning.planning.plan import Plan


@dataclass(frozen=True)
class LayerReport:
    """What happened to one matrix, or to one part of a fused one.

    Attributes:
        name: dotted path of its parameter inside the block.
        zeros: entries of it that are zero now.
        weights: entries of it.
        tokens: calibration tokens that reached it.
        fallback: why it was pruned in another way than was asked for; None where it was not.
        damping: the share of the Gram matrix's mean diagonal that SparseGPT had to add to it; more
            than 0.01 says that the calibration text hardly determines the inputs.
        expert: whose it is, where one parameter holds those of many experts.
        part: which of the fused projections it is, such as ``v``; None where it is all of them.
    """

    name: str
    zeros: int
    weights: int
    tokens: int
    fallback: str | None = None
    damping: float | None = None
    expert: int | None = None
    part: str | None = None


@dataclass(frozen=True)
class BlockReport:
    """What happened to one decoder block.

    Attributes:
        index: its place, from 0.
        total: how many blocks there are.
        name: dotted path in the model.
        layers: its pruned linear layers.
        parameters: all its parameters.
        untouched: how many entries of which parameters were left alone: norms, biases, routers,
            and what was skipped.
        output_error: how far the evaluation text's hidden state is from the dense model's after
            this block, relative to the dense one; None without evaluation.
        prune_seconds: calibration, pruning and writing.
    """

    index: int
    total: int
    name: str
    layers: tuple[LayerReport, ...]
    parameters: int
    untouched: dict[str, int]
    output_error: float | None
    prune_seconds: float

    @property
    def zeros(self) -> int:
        """Zero entries of the pruned weights."""
        return sum(layer.zeros for layer in self.layers)

    @property
    def weights(self) -> int:
        """Entries of the pruned weights."""
        return sum(layer.weights for layer in self.layers)

    @property
    def coverage(self) -> float:
        """Share of its parameters that were open to pruning."""
        return self.weights / self.parameters

    def as_json(self) -> dict[str, Any]:
        """Return all fields ready for JSON; `block_report` makes an equal report of them."""
        return asdict(self)


def block_report(fields: dict[str, Any]) -> BlockReport:
    """Return the report whose ``as_json`` went through JSON."""
    layers = tuple(LayerReport(**layer) for layer in fields["layers"])
    return BlockReport(**fields | {"layers": layers})


def untouched(parameters: Mapping[str, Tensor], layers: Iterable[LayerReport]) -> dict[str, int]:
    """Return how many entries of each parameter were left alone, if any were."""
    left = Counter({name: value.numel() for name, value in parameters.items()})
    for layer in layers:
        left[layer.name] -= layer.weights
    return {name: count for name, count in left.items() if count}


@dataclass(frozen=True)
class SweepResult:
    """What came of a sweep.

    Attributes:
        dense_loss, pruned_loss: mean loss per token; None without evaluation windows.
        dense_loss_known: whether that of the dense model was known before.
        propagation: what was really done; a calibration set that does not fit in memory falls
            back from ``fused`` to ``reference``.
        prune_seconds: loading, calibrating, pruning and writing, without evaluation.
        evaluate_seconds: running the evaluation windows through both models.
        resumed_from_block: the first block that no earlier run had done, where one did others.
        plan: the setting it ran in, and what it was expected to take.
        peak_bytes: the most memory that was resident at any time, the processes' peaks summed.
        device_peak_bytes: the most that tensors took on a GPU, on the fullest; None on a CPU.
        shards: the files that were written, with their digests.
    """

    dense_loss: float | None
    pruned_loss: float | None
    dense_loss_known: bool
    propagation: str
    prune_seconds: float
    evaluate_seconds: float
    # What depends on how the run went is no part of what it came to.
    resumed_from_block: int | None = field(compare=False)
    plan: Plan = field(compare=False)
    peak_bytes: int = field(compare=False)
    device_peak_bytes: int | None = field(compare=False)
    shards: tuple[Shard, ...] = field(compare=False, default=())
