"""What is said about a sweep while it runs and when it ends."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerReport:
    """What happened to one linear layer.

    Attributes:
        name: dotted path of its weight inside the block.
        zeros: entries of the weight that are zero now.
        weights: entries of the weight.
        tokens: calibration tokens that reached it; at 0 it was scored by its magnitudes alone.
        fallback: why the solver left the layer with its mask alone; None where it did not.
        damping: the share of the Gram matrix's mean diagonal that SparseGPT had to add to it; more
            than 0.01 says that the calibration text hardly determines the inputs.
    """

    name: str
    zeros: int
    weights: int
    tokens: int
    fallback: str | None = None
    damping: float | None = None


@dataclass(frozen=True)
class BlockReport:
    """What happened to one decoder block.

    Attributes:
        index: its place, from 0.
        total: how many blocks there are.
        name: dotted path in the model.
        layers: its pruned linear layers.
        parameters: all its parameters, so that what was left alone shows.
        output_error: how far the evaluation text's hidden state is from the dense model's after
            this block, relative to the dense one; None without evaluation.
        prune_seconds: calibration, pruning and writing.
    """

    index: int
    total: int
    name: str
    layers: tuple[LayerReport, ...]
    parameters: int
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

    def as_json(self) -> dict[str, Any]:
        """Return all fields ready for JSON; `block_report` makes an equal report of them."""
        return asdict(self)


def block_report(fields: dict[str, Any]) -> BlockReport:
    """Return the report whose ``as_json`` went through JSON."""
    layers = tuple(LayerReport(**layer) for layer in fields["layers"])
    return BlockReport(**fields | {"layers": layers})


@dataclass(frozen=True)
class SweepResult:
    """What came of a sweep.

    Attributes:
        dense_loss, pruned_loss: mean loss per token; None without evaluation windows.
        propagation: what was really done; a calibration set that does not fit in memory falls
            back from ``fused`` to ``reference``.
        prune_seconds: loading, calibrating, pruning and writing, without evaluation.
        evaluate_seconds: running the evaluation windows through both models.
    """

    dense_loss: float | None
    pruned_loss: float | None
    propagation: str
    prune_seconds: float
    evaluate_seconds: float
