"""How well rankers chose among the answers of the dense and of the pruned model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from db.spec.options.rank_answers import CHOICES, ESTIMATE
from db.spec.quality_gate import Interval

_CONFIDENCE = 0.95
_DROP = "ranker_drop"


@dataclass(frozen=True)
class ModelRanking:
    """The results of one model, for each question that its ranker was not trained on.

    Attributes:
        ranker: 1 if the answer is right that the ranker puts first, else 0.
        random: the share of right answers, which a random choice is expected to reach.
        first: 1 if the answer that was drawn first is right, else 0.
        any: 1 if any answer is right, else 0.
        trained_on: the number of questions with right and wrong answers that the ranker learned
            from.
        parameters: the number of parameters of the ranker.
    """

    ranker: tuple[float, ...]
    random: tuple[float, ...]
    first: tuple[float, ...]
    any: tuple[float, ...]
    trained_on: int
    parameters: int

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ModelRanking":
        """Return results from the dictionary that `asdict` made of them."""
        lists = {name: tuple(values[name]) for name in CHOICES}
        return cls(**values | lists)


@dataclass(frozen=True)
class MeasuredRanking:
    """The results of both models on the same questions.

    Attributes:
        dense, pruned: the results of each model.
        block: the index of the block whose outputs were ranked.
        digest: the SHA-256 of the questions and of how their answers were drawn.
    """

    dense: ModelRanking
    pruned: ModelRanking
    block: int
    digest: str

    def metrics(self) -> dict[str, Any]:
        """Return the accuracies, and their standard errors, by the names that gates use."""
        samples = self._samples()
        counts = {"questions": len(self.pruned.ranker), "parameters": self.pruned.parameters}
        return {
            ESTIMATE: {name: fmean(values) for name, values in samples.items()} | counts,
            f"{ESTIMATE}_stderr": {name: _stderr(values) for name, values in samples.items()},
            f"{ESTIMATE}_sha256": self.digest,
        }

    def report(self) -> dict[str, Any]:
        """Return the accuracies with intervals, and how they were measured."""
        intervals = {
            name: asdict(Interval.of(fmean(values), _stderr(values), _CONFIDENCE))
            for name, values in self._samples().items()
        }
        models = {"dense": self.dense, "pruned": self.pruned}
        return {
            "accuracies": self.metrics()[ESTIMATE],
            "intervals": intervals,
            "trained_on": {name: ranking.trained_on for name, ranking in models.items()},
            "block": self.block,
            "questions_sha256": self.digest,
        }

    def _samples(self) -> dict[str, Sequence[float]]:
        """Return one number per question for each accuracy, and for the drop of the rankers'."""
        models = {"dense": self.dense, "pruned": self.pruned}
        samples: dict[str, Sequence[float]] = {
            f"{name}_{choice}": getattr(ranking, choice)
            for name, ranking in models.items()
            for choice in CHOICES
        }
        pairs = zip(self.dense.ranker, self.pruned.ranker, strict=True)
        return samples | {_DROP: [dense - pruned for dense, pruned in pairs]}


def _stderr(values: Sequence[float]) -> float:
    return stdev(values) / sqrt(len(values))
