"""Results of zero-shot tasks, and how two models compare on the same items."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, hypot, sqrt
from statistics import fmean, stdev


@dataclass(frozen=True)
class TaskResult:
    """The result of one model on one task.

    Attributes:
        task: the task's name.
        version: the version of its prompts.
        metrics: the harness's metrics, by name, such as ``acc`` and ``acc_norm``.
        correct: for each item whether the most likely answer is right; empty for tasks without
            accuracy.
    """

    task: str
    version: str
    metrics: dict[str, float]
    correct: tuple[bool, ...]

    @property
    def accuracy(self) -> float:
        """The share of right answers, for tasks with accuracy."""
        return fmean(self.correct)

    @property
    def stderr(self) -> float | None:
        """The standard error of the accuracy; None with fewer than two items."""
        count = len(self.correct)
        return None if count < 2 else stdev(self.correct) / sqrt(count)


@dataclass(frozen=True)
class TaskComparison:
    """The results of the dense and of the pruned model on the same items of one task."""

    dense: TaskResult
    pruned: TaskResult

    @property
    def lost(self) -> int:
        """How many items only the dense model answers rightly."""
        return _only_first(self.dense, self.pruned)

    @property
    def gained(self) -> int:
        """How many items only the pruned model answers rightly."""
        return _only_first(self.pruned, self.dense)

    @property
    def p_value(self) -> float:
        """The exact p-value of McNemar's test.

        It is the probability of a difference of at least this size between the lost and the gained
        items, if each of them is as likely to be lost as to be gained (McNemar, 1947).
        """
        lost, gained = self.lost, self.gained
        tail = sum(comb(lost + gained, k) for k in range(min(lost, gained) + 1))
        return min(1.0, float(2 * tail / 2 ** (lost + gained)))


def mean_stderr(stderrs: Sequence[float]) -> float:
    """Return the standard error of the mean of independent accuracies."""
    return hypot(*stderrs) / len(stderrs)


def _only_first(first: TaskResult, second: TaskResult) -> int:
    pairs = zip(first.correct, second.correct, strict=True)
    return sum(one and not other for one, other in pairs)
