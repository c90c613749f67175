"""What a job has measured: its metrics, the reports of its blocks, and what was cancelled."""

from typing import Any

from pydantic import ConfigDict

from zpruner.client.models.jobs import ResponseModel


class Measured(ResponseModel):
    """Base class of measurements; those without a field of their own are kept as well."""

    model_config = ConfigDict(frozen=True, extra="allow")


class RecoveryMetrics(Measured):
    """The steps, tokens and time of a recovery, and how far it lowered the held-out loss."""

    steps: int | None = None
    tokens: int | None = None
    seconds: float | None = None
    best_step: int | None = None
    held_out_loss_before: float | None = None
    held_out_loss_after: float | None = None
    kept_start: bool | None = None


class Metrics(Measured):
    """The metrics of a job that has succeeded; None for those that it did not measure.

    Attributes:
        intervals: the 95 % intervals of the perplexities and of their ratio, by name.
        text_ratio, kl, agreement: of each text, the perplexity over the dense one, the divergence
            from the dense model's predictions in nats, and how often both find the same token most
            likely.
        worst_ratio, worst_kl, worst_agreement: those of the text that is furthest from it.
        acc, acc_drop: of each zero-shot task, the accuracy, and the dense one minus it.
    """

    dense_perplexity: float | None = None
    pruned_perplexity: float | None = None
    perplexity_ratio: float | None = None
    perplexity_before_recovery: float | None = None
    intervals: dict[str, tuple[float, float]] = {}
    sparsity: float | None = None
    zeros: int | None = None
    weights: int | None = None
    coverage: float | None = None
    parameters: int | None = None
    parameters_removed: int | None = None
    fallbacks: int | None = None
    weights_bytes: int | None = None
    dense_weights_bytes: int | None = None
    eval_overlap: float | None = None
    prune_seconds: float | None = None
    evaluate_seconds: float | None = None
    predicted_seconds: float | None = None
    peak_memory_bytes: int | None = None
    device_peak_memory_bytes: int | None = None
    text_ratio: dict[str, float] = {}
    kl: dict[str, float] = {}
    agreement: dict[str, float] = {}
    worst_ratio: float | None = None
    worst_kl: float | None = None
    worst_agreement: float | None = None
    acc: dict[str, float] = {}
    acc_drop: dict[str, float] = {}
    recovery: RecoveryMetrics | None = None
    protocol: dict[str, Any] = {}


class BlockMetrics(Measured):
    """The measurements of one block.

    Attributes:
        output_error: the relative error of the hidden states after the block.
        layers: the measurements of its matrices, unless they were left out.
    """

    sparsity: float | None = None
    zeros: int | None = None
    weights: int | None = None
    coverage: float | None = None
    parameters: int | None = None
    parameters_removed: int = 0
    output_error: float | None = None
    prune_seconds: float | None = None
    is_dropped: bool = False
    layers: list[dict[str, Any]] = []


class BlockReport(ResponseModel):
    """The report of one decoder block; ``data`` are its measurements."""

    index: int
    name: str
    attempt: int
    data: BlockMetrics


class CancelledJobs(ResponseModel):
    """What became of several jobs that were to be cancelled, by their ids.

    Attributes:
        cancelled: jobs that are cancelled, or will be once their workers stop.
        ended: jobs that had ended, so that nothing was done.
        missing: ids of no job.
        has_more: whether more jobs match the filter than one request cancels.
    """

    cancelled: list[str] = []
    ended: list[str] = []
    missing: list[str] = []
    has_more: bool = False
