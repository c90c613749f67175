"""Estimates: questions of the API, answered by a process that has the planner."""

from datetime import timedelta

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.digests import digest
from db.core.errors import EstimateNotFoundError
from db.core.problem import Problem
from db.core.states import JobState
from db.problems.resources import ESTIMATE_OVERDUE
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import figure
from db.tables.base import Document
from db.tables.jobs import Estimate, Job

ANSWER_FOR = timedelta(hours=1)
"""How long an answer holds: the model behind a name may change, and so may the machine."""
REFUSAL_FOR = timedelta(seconds=10)
UNANSWERED_FOR = timedelta(minutes=5)
KEPT_FOR = timedelta(days=1)
OVERDUE_AFTER = timedelta(seconds=60)
_OVERDUE = f"The planner did not finish within {OVERDUE_AFTER.total_seconds():g} seconds."
LATEST = 50
"""How many jobs say how long others will take."""


class EstimateRepository:
    """Estimates in one session, which this never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ask(self, spec: PruneSpec) -> Estimate:
        """Return the estimate of a job: one that still holds, or a new one without an answer."""
        return self.ask_once(spec)[0]

    def ask_once(self, spec: PruneSpec) -> tuple[Estimate, bool]:
        """Return the estimate of a job as ``ask`` does, and whether it is a new one."""
        fields = spec.model_dump(mode="json")
        asked = digest(fields)
        holds = or_(
            Estimate.answer.is_not(None) & (Estimate.finished_at > now(-ANSWER_FOR)),
            Estimate.error.is_not(None) & (Estimate.finished_at > now(-REFUSAL_FOR)),
            Estimate.finished_at.is_(None) & (Estimate.created_at > now(-UNANSWERED_FOR)),
        )
        query = select(Estimate).where(Estimate.spec_digest == asked, holds)
        found = self._session.scalar(query.order_by(Estimate.created_at.desc()).limit(1))
        if found is not None:
            return found, False
        made = Estimate(spec_digest=asked, spec=fields)
        self._session.add(made)
        self._session.flush()
        return made, True

    def delete(self, estimate_id: str) -> None:
        """Delete an estimate, if it is there."""
        self._session.execute(delete(Estimate).where(Estimate.id == estimate_id))

    def get(self, estimate_id: str) -> Estimate:
        """Return the estimate as the database has it now.

        Raises:
            EstimateNotFoundError: there is none.
        """
        found = self._session.get(Estimate, estimate_id, populate_existing=True)
        if found is None:
            raise EstimateNotFoundError(estimate_id)
        return found

    def is_open(self) -> bool:
        """Return whether one has no answer yet."""
        return bool(self._session.scalar(select(exists().where(Estimate.finished_at.is_(None)))))

    def is_asked(self) -> bool:
        """Whether one waits for somebody to begin with it."""
        return bool(self._session.scalar(select(exists().where(*_WAITS))))

    def take(self) -> Estimate | None:
        """Begin with the one that has waited longest; of two that ask at once each gets its own."""
        oldest = select(Estimate.id).where(*_WAITS).order_by(Estimate.created_at).limit(1)
        found = self._session.scalar(oldest.with_for_update(skip_locked=True))
        if found is None:
            return None
        return self._session.scalar(
            update(Estimate)
            .where(Estimate.id == found, *_WAITS)
            .values(started_at=now())
            .returning(Estimate)
            .execution_options(populate_existing=True, synchronize_session=False)
        )

    def answer(self, estimate_id: str, answer: Document) -> None:
        """Keep what was found out, unless it was given up meanwhile."""
        self._finish(estimate_id, {"answer": answer})

    def refuse(self, estimate_id: str, problem: Problem) -> None:
        """Keep why there is no answer, unless it was given up meanwhile."""
        self._finish(estimate_id, {"error": problem.model_dump(mode="json")})

    def lateness(self) -> list[float]:
        """Return how long the latest jobs took, over the seconds that were planned for them."""
        ended = select(Job.result).where(Job.status == JobState.succeeded)
        latest = ended.order_by(Job.created_at.desc(), Job.id.desc()).limit(LATEST)
        found = (_lateness(result or {}) for result in self._session.scalars(latest))
        return [one for one in found if one is not None]

    def give_up(self) -> bool:
        """Refuse those that take too long, and forget old ones; whether one took too long."""
        begun = Estimate.started_at
        is_overdue = or_(begun < now(-OVERDUE_AFTER), was_set_back(begun))
        waiting = select(Estimate.id).where(Estimate.finished_at.is_(None), is_overdue)
        ids = list(self._session.scalars(waiting))
        for estimate_id in ids:
            self.refuse(estimate_id, ESTIMATE_OVERDUE.problem(_OVERDUE))
        self._session.execute(delete(Estimate).where(Estimate.created_at < now(-KEPT_FOR)))
        return bool(ids)

    def _finish(self, estimate_id: str, values: Document) -> None:
        self._session.execute(
            update(Estimate)
            .where(Estimate.id == estimate_id, Estimate.finished_at.is_(None))
            .values(finished_at=now(), **values)
            .execution_options(synchronize_session=False)
        )


def _lateness(metrics: Document) -> float | None:
    names = ("prune_seconds", "evaluate_seconds", "predicted_seconds")
    pruning, evaluating, predicted = (figure(metrics, name) for name in names)
    if pruning is None or evaluating is None or not predicted:
        return None
    return (pruning + evaluating) / predicted


_WAITS = (Estimate.finished_at.is_(None), Estimate.started_at.is_(None))
