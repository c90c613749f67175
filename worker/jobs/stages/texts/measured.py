"""How far the pruned model is from the dense one on a text, as metrics and for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from db.spec.quality_gate import Interval
from worker.evaluation.distance import WindowDistance
from worker.evaluation.estimate import CONFIDENCE, Estimate
from worker.evaluation.perplexity import perplexity, perplexity_interval


@dataclass(frozen=True)
class ComparedText:
    """Both models on the windows of one text."""

    windows: Sequence[WindowDistance]

    @property
    def kl(self) -> Estimate:
        return Estimate.of([window.kl for window in self.windows])

    @property
    def agreement(self) -> Estimate:
        return Estimate.of([window.agreement for window in self.windows])

    @property
    def ratio(self) -> Estimate:
        """The ratio of the perplexities; its error is that of its logarithm, times the ratio."""
        growth = Estimate.of(self._growth)
        value = perplexity(growth.value)
        return Estimate(value, None if growth.stderr is None else value * growth.stderr)

    @property
    def perplexity(self) -> float:
        return perplexity(fmean(window.loss for window in self.windows))

    def metrics(self) -> dict[str, float | None]:
        """Return the metrics by name; errors are None of a single window."""
        estimates = {"text_ratio": self.ratio, "kl": self.kl, "agreement": self.agreement}
        named: dict[str, float | None] = {name: each.value for name, each in estimates.items()}
        named |= {f"{name}_stderr": each.stderr for name, each in estimates.items()}
        return named | {"text_perplexity": self.perplexity}

    def report(self) -> dict[str, Any]:
        """Return the figures with their intervals of 95 %."""
        ends = perplexity_interval(self._growth)
        return {
            "dense_perplexity": perplexity(fmean(window.dense_loss for window in self.windows)),
            "perplexity": self.perplexity,
            "ratio": self.ratio.value,
            "ratio_interval": ends and asdict(Interval(*ends, CONFIDENCE)),
            "kl": self.kl.value,
            "kl_interval": self.kl.interval(),
            "agreement": self.agreement.value,
            "agreement_interval": self.agreement.interval(),
        }

    @property
    def _growth(self) -> list[float]:
        return [window.loss - window.dense_loss for window in self.windows]


def text_metrics(texts: Mapping[str, ComparedText]) -> dict[str, Any]:
    """Return the metrics of all texts, in groups by the text, and those of the worst text."""
    groups: dict[str, dict[str, float | None]] = {}
    for name, text in texts.items():
        for metric, value in text.metrics().items():
            groups.setdefault(metric, {})[name] = value
    return {
        **groups,
        "worst_ratio": max(text.ratio.value for text in texts.values()),
        "worst_kl": max(text.kl.value for text in texts.values()),
        "worst_agreement": min(text.agreement.value for text in texts.values()),
    }
