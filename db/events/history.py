"""The attempts and phases of a job, and when workers held it, derived from its events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from db.core.states import HELD, JobState, Phase
from db.tables.jobs import JobEvent

Span = tuple[datetime, datetime]
Change = tuple[datetime, JobState]
"""The time and the new state of a transition."""


@dataclass(frozen=True)
class AttemptSpan:
    """One attempt at a job, from its claim to its end.

    Attributes:
        outcome: the job's status at the end of the attempt; None while it runs.
        reason: why the attempt ended, such as ``worker_lost`` or ``yielded``; None while it runs,
            or if the status alone says why.
        error: the problem document; None if the attempt did not end with an error.
    """

    number: int
    worker: str | None
    device: str | None
    started_at: datetime
    ended_at: datetime | None = None
    outcome: JobState | None = None
    reason: str | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class PhaseSpan:
    """One phase of an attempt."""

    attempt: int
    name: Phase
    started_at: datetime
    ended_at: datetime | None = None


def attempts(events: Iterable[JobEvent]) -> list[AttemptSpan]:
    """Return the attempts in order; ``events`` must include every event of kind ``status``."""
    spans: list[AttemptSpan] = []
    for event in events:
        if event.kind != "status":
            continue
        is_open = bool(spans) and spans[-1].ended_at is None
        begins = event.status is JobState.running and "worker" in event.data
        if is_open and (begins or event.status not in HELD):
            spans[-1] = _ended(spans[-1], event)
        if begins:
            worker, device = event.data["worker"], event.data.get("device")
            spans.append(AttemptSpan(event.attempt, worker, device, event.at))
    return spans


def phases(events: Iterable[JobEvent]) -> list[PhaseSpan]:
    """Return all phases in order; ``events`` must include every ``status`` and ``phase`` event."""
    spans: list[PhaseSpan] = []
    for event in events:
        ends = event.kind == "phase" or (event.kind == "status" and event.status not in HELD)
        ends = ends or (bool(spans) and event.attempt != spans[-1].attempt)
        if ends and spans and spans[-1].ended_at is None:
            spans[-1] = replace(spans[-1], ended_at=event.at)
        if event.kind == "phase" and event.phase is not None:
            spans.append(PhaseSpan(event.attempt, event.phase, event.at))
    return spans


def held_spans(changes: Iterable[Change], until: datetime | None) -> Iterator[Span]:
    """Yield when workers held a job, by its transitions, oldest first.

    Attempts that follow each other without a pause are one time. A time that has not ended ends at
    ``until``, and is left out without it.
    """
    start = None
    for at, status in changes:
        if status in HELD:
            start = start or at
        elif start is not None:
            yield start, at
            start = None
    if start is not None and until is not None:
        yield start, until


def _ended(attempt: AttemptSpan, event: JobEvent) -> AttemptSpan:
    """Return a copy of the attempt that ends with this event.

    If the event belongs to the next attempt, the attempt ended because its worker was lost.
    """
    taken_over = event.attempt != attempt.number
    return replace(
        attempt,
        ended_at=event.at,
        outcome=JobState.queued if taken_over else event.status,
        reason="worker_lost" if taken_over else event.data.get("reason"),
        error=event.data.get("error"),
    )
