"""The training stage of a recovery."""

from collections import Counter
from collections.abc import Generator
from itertools import pairwise
from math import isfinite
from time import perf_counter

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.recovery.head import DistillationHead
from worker.recovery.optimizer import Optimizer, warmup_steps
from worker.recovery.planning.sizes import MEASUREMENTS, SAVES
from worker.recovery.recovery_log import RecoveryLog, TrainingState
from worker.recovery.results import CurvePoint, RecoveryProgress
from worker.recovery.student import Student
from worker.recovery.teacher import Teacher
from worker.recovery.windows import RecoveryWindows

_PATIENCE = 3  # rises of the held-out loss above the smallest, after the warm-up


class Training:
    """Trains a student, and keeps the state with the smallest held-out loss, by its worst text.

    Args:
        student: the model in its initial state, or in any state if ``log`` has a state to resume.
        optimizer: makes the steps.
        head: computes the loss from the student's last hidden states.
        teacher: the dense model's predictions for all windows.
        windows: the windows, and their order.
        micro_batch: number of windows that run through the student at a time.
        log: the log, with the state of an earlier run; new states are recorded in it.
        ranks: the processes that share the windows of each step.
    """

    def __init__(
        self,
        student: Student,
        optimizer: Optimizer,
        head: DistillationHead,
        teacher: Teacher,
        windows: RecoveryWindows,
        micro_batch: int,
        log: RecoveryLog,
        ranks: Ranks = SINGLE_PROCESS,
    ) -> None:
        self._student, self._optimizer, self._head = student, optimizer, head
        self._teacher, self._windows, self._log = teacher, windows, log
        self._micro_batch, self._ranks = micro_batch, ranks
        self._warmup = warmup_steps(windows.steps, head.recovery.warmup)
        self._measured = _every(MEASUREMENTS, windows.steps)
        self._saved = _every(SAVES, windows.steps) | self._measured

    def run(self) -> Generator[RecoveryProgress, None, TrainingState]:
        """Make the steps that are left, and return the last state.

        The training stops early when the held-out loss no longer improves. When this returns, the
        student holds the weights of the best step, unless no step was better than the start.

        Yields:
            The progress after each step, and before the very first one.
        """
        state = self._log.state or self._start()
        if not state.step:
            yield self._progress(state, 0.0)
        elif not is_finished(state, self._windows):
            self._optimizer.load_weights(self._log.weights(state.step))
            self._optimizer.load_moments(self._log.moments(state.step))
        first, started = state.step, perf_counter()
        while not is_finished(state, self._windows):
            state = self._step(state)
            rate = self._tokens(first, state.step) / (perf_counter() - started)
            yield self._progress(state, rate)
        if state.best_step:
            self._optimizer.load_weights(self._log.weights(state.best_step))
        return state

    def _start(self) -> TrainingState:
        before = self._point(0, None, self._log.measure_once("held_out", self._held_out_losses))
        loss = before.held_out_loss or 0.0
        if not isfinite(loss):
            raise NotFiniteError("the held-out loss before the training")
        return TrainingState(0, 0, loss, 0, (before,))

    def _step(self, state: TrainingState) -> TrainingState:
        step = state.step
        loss = self._gradients(self._windows.of_step(step))
        self._optimizer.step(step, self._predicted(self._windows.of_step(step)))
        done = step + 1
        held_out = self._held_out_losses() if done in self._measured else None
        point = self._point(done, loss, held_out)
        after = state.with_step(
            point,
            in_warmup=done <= self._warmup,
        )
        if done in self._saved:
            self._log.record_state(after, self._optimizer.weights(), self._optimizer.moments())
        return after

    def _gradients(self, rows: Tensor) -> float:
        """Compute gradients of the summed loss on some windows; return the mean loss per token."""
        total = torch.zeros((), dtype=torch.float64)
        for part in self._batches(rows):
            ids, targets = self._windows.ids[part], self._teacher.targets(part.tolist())
            hidden, norms = self._student(ids), self._student.head_norms()
            total += self._head.backward(hidden, ids, targets, norms).cpu()
        return float(self._ranks.all_reduce(total)) / self._predicted(rows)

    @torch.no_grad()
    def _held_out_losses(self) -> list[float]:
        """Return the summed held-out loss of each text, with weights rounded as they are stored."""
        sources = torch.tensor(self._windows.sources)
        totals = torch.zeros(int(sources.max()) + 1, dtype=torch.float64)
        with self._student.rounded():
            norms = self._student.head_norms()
            for part in self._batches(torch.arange(self._windows.held_out)):
                ids = self._windows.ids[part]
                hidden = self._student(ids)
                for source in sorted(set(sources[part].tolist())):
                    own = sources[part] == source
                    targets = self._teacher.targets(part[own].tolist())
                    totals[source] += self._head.loss(hidden[own], ids[own], targets, norms).cpu()
        losses: list[float] = self._ranks.all_reduce(totals).tolist()
        return losses

    def _point(self, step: int, loss: float | None, held_out: list[float] | None) -> CurvePoint:
        """Return the losses of a step, given the sums of `_held_out_losses` if it was measured."""
        if held_out is None:
            return CurvePoint(step, loss, None)
        counts, tokens = Counter(self._windows.sources), self._windows.predicted
        means = tuple(sums / (counts[source] * tokens) for source, sums in enumerate(held_out))
        mean = sum(held_out) / (counts.total() * tokens)
        return CurvePoint(step, loss, mean, means if len(means) > 1 else None)

    def _batches(self, rows: Tensor) -> list[Tensor]:
        """Return this rank's share of the window indices ``rows``, split into micro-batches."""
        return list(torch.split(torch.stack(self._ranks.share_of(list(rows))), self._micro_batch))

    def _predicted(self, rows: Tensor) -> int:
        return len(rows) * self._windows.predicted

    def _tokens(self, first: int, last: int) -> int:
        return self._windows.tokens_until(last) - self._windows.tokens_until(first)

    def _progress(self, state: TrainingState, rate: float) -> RecoveryProgress:
        point = state.curve[-1]
        return RecoveryProgress(
            stage="training",
            step=state.step,
            steps=self._windows.steps,
            tokens=self._tokens(0, state.step),
            loss=point.loss,
            held_out_loss=point.held_out_loss,
            tokens_per_second=rate,
        )


def is_finished(state: TrainingState, windows: RecoveryWindows) -> bool:
    """Whether all steps are made, or the held-out loss no longer improves."""
    return state.step == windows.steps or state.rises == _PATIENCE


def _every(times: int, steps: int) -> set[int]:
    """Return up to ``times`` evenly spaced step counts from 1 to ``steps``, including ``steps``."""
    ends = [round(steps * share / times) for share in range(times + 1)]
    return {after for before, after in pairwise(ends) if after > before}
