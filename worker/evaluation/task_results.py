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
        items_sha256: the SHA-256 of the items' prompts, their answers and which of these are right.
    """

    task: str
    version: str
    metrics: dict[str, float]
    correct: tuple[bool, ...]
    items_sha256: str

    @property
    def accuracy(self) -> float:
        """The share of right answers, for tasks with accuracy."""
        return fmean(self.correct)

    @property
    def stderr(self) -> float | None:
        """The standard error of the accuracy; None with fewer than two items."""
        return _stderr(self.correct)


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
    def drop(self) -> float:
        """The dense model's accuracy minus the pruned one's, for tasks with accuracy."""
        return self.dense.accuracy - self.pruned.accuracy

    @property
    def drop_stderr(self) -> float | None:
        """The standard error of the `drop`; None with fewer than two items.

        It is that of the mean of the items' differences, which are 1 for a lost item, -1 for a
        gained one and else 0. Both models answer the same items, so it is usually smaller than the
        error of a difference between independent accuracies.
        """
        pairs = zip(self.dense.correct, self.pruned.correct, strict=True)
        return _stderr([dense - pruned for dense, pruned in pairs])

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


def _stderr(values: Sequence[int]) -> float | None:
    return None if len(values) < 2 else stdev(values) / sqrt(len(values))


def _only_first(first: TaskResult, second: TaskResult) -> int:
    pairs = zip(first.correct, second.correct, strict=True)
    return sum(correct and not other for correct, other in pairs)
