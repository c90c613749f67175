"""The results of a pruning run: of a layer, of a block, and of the whole model."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from worker.pruning.binarization.bits import BitCounts
from worker.pruning.experts.results import ExpertsResult
from worker.pruning.model.head_loss import mean_loss
from worker.pruning.model.shards import Shard
from worker.pruning.planning.plan import Plan
from worker.pruning.refinement.results import RefinementResult


@dataclass(frozen=True)
class WeightHistogram:
    """The distribution of a matrix's weights before and after pruning, from a sample of its rows.

    The bins have equal widths and cover the values from ``-limit`` to ``limit``. The first and the
    last bin also count the weights beyond these limits.

    Attributes:
        limit: four times the root mean square of the weights before pruning.
        before: the number of weights in each bin before pruning.
        after: the number of weights in each bin after pruning, without the zeros.
    """

    limit: float
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the histogram from its fields, after conversion to JSON and back."""
        return cls(fields["limit"], tuple(fields["before"]), tuple(fields["after"]))


@dataclass(frozen=True)
class LayerResult:
    """The result of pruning one matrix, or one part of a fused matrix.

    Attributes:
        name: dotted path of its parameter inside the block.
        zeros: how many of its weights are zero.
        weights: how many weights it has.
        tokens: calibration tokens that reached it.
        fallback: why it was not pruned as requested; None if it was.
        damping: the share of the Gram matrix's mean diagonal that `Gram.inverse_cholesky` added to
            the diagonal for a solver or a correction; None if neither called it. A share above
            the requested damping shows that the calibration text hardly determines the weights.
        expert: index of its expert, if one parameter holds the matrices of many experts.
        part: name of the projection in a fused matrix, such as ``v``; None if it is not fused.
        error: the relative error of its outputs on the calibration inputs, without the changes of
            a refinement, as `SampledRows.error` estimates it; None if no tokens reached the matrix,
            or if the sampled outputs were zero before pruning.
        histogram: the distribution of its weights, without the changes of a refinement; None for a
            routed expert, because a model may have thousands of them.
        binarized: the bits of its weights; None if they are not binarised.
    """

    name: str
    zeros: int
    weights: int
    tokens: int
    fallback: str | None = None
    damping: float | None = None
    expert: int | None = None
    part: str | None = None
    error: float | None = None
    histogram: WeightHistogram | None = None
    binarized: BitCounts | None = None

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the result from its fields, after conversion to JSON and back."""
        counted = fields.get("histogram")
        histogram = None if counted is None else WeightHistogram.from_json(counted)
        bits = fields.get("binarized")
        binarized = None if bits is None else BitCounts(**bits)
        return cls(**fields | {"histogram": histogram, "binarized": binarized})


@dataclass(frozen=True)
class RemovedUnits:
    """The units that were removed from one module of a block.

    Attributes:
        name: dotted path in the block of the layer that read the units.
        units: how many units there were.
        ranges: the removed ones, as ranges of indices, each with its first index and its end.
        is_routed: whether the module is an expert.
    """

    name: str
    units: int
    ranges: tuple[tuple[int, int], ...]
    is_routed: bool = False

    @property
    def count(self) -> int:
        """How many units were removed."""
        return sum(end - start for start, end in self.ranges)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the units from their fields, after conversion to JSON and back."""
        ranges = tuple((start, end) for start, end in fields["ranges"])
        return cls(**fields | {"ranges": ranges})


@dataclass(frozen=True)
class UnitProgress:
    """The progress of choosing the units that are removed, after a step.

    A caller may stop the run after any step.

    Attributes:
        step: number of steps done.
        steps: total number of steps.
    """

    step: int
    steps: int


@dataclass(frozen=True)
class QuantizedLayer:
    """The result of quantising one matrix.

    Attributes:
        name: dotted path of its parameter inside the block.
        zeros: how many of its weights are zero; rounding makes some kept weights zero.
        weights: how many weights it has.
        bytes: the bytes of its packed weights, scales and shape.
        scale_min, scale_max: the range of its scales.
        error: the relative error of its outputs on the calibration inputs, as
            `SampledRows.error` estimates it, against its weights before rounding; None as in
            `LayerResult`.
        fallback: why its weights were rounded to the nearest values; None if later columns made up
            for the errors.
    """

    name: str
    zeros: int
    weights: int
    bytes: int
    scale_min: float
    scale_max: float
    error: float | None = None
    fallback: str | None = None


@dataclass(frozen=True)
class BlockResult:
    """The result of pruning one decoder block.

    Attributes:
        index: its index, from 0.
        total: how many blocks the model has.
        name: dotted path in the model.
        layers: the results of its pruned matrices.
        parameters: how many parameters it has, without those of removed units.
        untouched: how many weights were not pruned, by parameter name; these belong to norms,
            biases, routers and skipped layers.
        output_error: norm of the difference between the pruned and the dense model's hidden states
            after this block, on evaluation windows, relative to the norm of the dense ones; None
            without evaluation.
        prune_seconds: seconds of calibration, pruning, refinement and writing.
        refinement: the result of refining the block; None if it was not refined.
        removed: the units that were removed from the block's modules.
        parameters_removed: how many parameters these units had, or the whole block if it was
            removed.
        distance: 1 − cos of the dense block's inputs and outputs, the mean over the calibration
            tokens; None if it was not measured.
        is_dropped: whether the whole block was removed.
        quantized: the results of its quantised matrices; empty without quantisation.
        experts: which of its experts stay; None if none were removed.
    """

    index: int
    total: int
    name: str
    layers: tuple[LayerResult, ...]
    parameters: int
    untouched: dict[str, int]
    output_error: float | None
    prune_seconds: float
    refinement: RefinementResult | None = None
    removed: tuple[RemovedUnits, ...] = ()
    parameters_removed: int = 0
    distance: float | None = None
    is_dropped: bool = False
    quantized: tuple[QuantizedLayer, ...] = ()
    experts: ExpertsResult | None = None

    @property
    def zeros(self) -> int:
        """Number of zeros in the pruned matrices as they are written."""
        rounded = {layer.name for layer in self.quantized}
        others = sum(layer.zeros for layer in self.layers if layer.name not in rounded)
        return others + sum(layer.zeros for layer in self.quantized)

    @property
    def weights(self) -> int:
        """Number of weights in the pruned matrices."""
        return sum(layer.weights for layer in self.layers)

    @property
    def coverage(self) -> float:
        """Share of the block's parameters that are in pruned matrices."""
        return self.weights / self.parameters if self.parameters else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return all fields ready for JSON; `from_json` restores an equal result from them."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Return the result from its `as_json`, after conversion to JSON and back."""
        layers = tuple(LayerResult.from_json(layer) for layer in fields["layers"])
        refined = fields.get("refinement")
        refinement = None if refined is None else RefinementResult(**refined)
        removed = tuple(RemovedUnits.from_json(units) for units in fields.get("removed", ()))
        quantized = tuple(QuantizedLayer(**layer) for layer in fields.get("quantized", ()))
        experts = fields.get("experts")
        kept = None if experts is None else ExpertsResult.from_json(experts)
        parsed = {"layers": layers, "refinement": refinement, "experts": kept}
        return cls(**fields | parsed | {"removed": removed, "quantized": quantized})


@dataclass(frozen=True)
class PruningResult:
    """The result of a pruning run.

    Attributes:
        dense_losses, pruned_losses: the mean loss per token of each evaluation window, by model.
        dense_loss_known: whether the dense model's losses were known before the run.
        propagation: the propagation that was used: ``reference`` instead of ``fused`` if the
            states of all calibration batches do not fit in memory.
        prune_seconds: seconds of loading, calibrating, pruning, refining and writing, including an
            earlier run's seconds up to its last finished block.
        evaluate_seconds: seconds of running the evaluation windows through both models, including
            an earlier run's seconds up to its last finished block.
        resumed_from_block: the first block that this run pruned, if an earlier run has pruned the
            blocks before it; None otherwise.
        plan: the setting of the run, and the memory and time that were predicted.
        peak_bytes: the peak of resident memory, summed over the processes.
        device_peak_bytes: the most memory that tensors took on any one GPU; None on a CPU.
        shards: the files that were written, with their digests.
        changed: the share of the removed units that a search chose in place of the ones that it
            started from; None if there was no search.
        probabilities: the probability of each unit at the end of that search, in the order of
            `ModelUnits`; None if there was no search.
        scores_known: whether an earlier run has measured the model that this one had to measure
            before its first block; None if nothing had to be measured.
        distances: how far the predictions of both models are apart on each of the first evaluation
            windows, four numbers each; empty if they were not compared.
    """

    dense_losses: tuple[float, ...]
    pruned_losses: tuple[float, ...]
    dense_loss_known: bool
    propagation: str
    prune_seconds: float
    evaluate_seconds: float
    # These depend on the course of the run, so equal results may differ in them.
    resumed_from_block: int | None = field(compare=False)
    plan: Plan = field(compare=False)
    peak_bytes: int = field(compare=False)
    device_peak_bytes: int | None = field(compare=False)
    shards: tuple[Shard, ...] = field(compare=False, default=())
    changed: float | None = None
    probabilities: tuple[float, ...] | None = None
    scores_known: bool | None = field(compare=False, default=None)
    distances: tuple[tuple[float, ...], ...] = ()

    @property
    def dense_loss(self) -> float | None:
        """The dense model's mean loss per token; None without evaluation windows."""
        return mean_loss(self.dense_losses)

    @property
    def pruned_loss(self) -> float | None:
        """The pruned model's mean loss per token; None without evaluation windows."""
        return mean_loss(self.pruned_losses)
