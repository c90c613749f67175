"""What ``/metrics`` tells: figures from the rows, as Prometheus reads them."""

import threading
import time
from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.totals import DeliveryCount, Totals, read_totals
from db.scheduling.workers import STATES

KEPT_S = 5.0
"""How long figures are told again: several scrapers cost as much as one."""


class RowCollector(Collector):
    """Counts when it is asked; one at a time, the others wait for that answer."""

    def __init__(self, sessions: Sessions, queues: Sequence[str] = ()) -> None:
        self._sessions, self._queues = sessions, queues
        self._lock = threading.Lock()
        self._told: list[Metric] = []
        self._fresh_until = 0.0

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering needs no database."""
        return []

    def collect(self) -> list[Metric]:
        """Return every figure."""
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._told = list(_told(read_totals(self._sessions), self._queues))
                self._fresh_until = time.monotonic() + KEPT_S
            return self._told


def _told(census: Totals, queues: Sequence[str]) -> Iterator[Metric]:
    taken = {name for one in census.workers for name in one.worker.queues}
    names = sorted({*queues, *taken, *census.queues})
    yield from _jobs(census)
    yield from _queues(census, names)
    yield from _paces(census)
    expired = "Jobs whose lease ran out and which the janitor has not taken back yet."
    yield GaugeMetricFamily("zpruner_leases_expired", expired, census.expired_leases)
    stored = "Bytes of all artifacts."
    yield GaugeMetricFamily("zpruner_artifacts_bytes", stored, census.artifact_bytes)
    yield GaugeMetricFamily("zpruner_artifacts", "Finished files.", census.artifacts)
    yield _workers(census, names)
    yield from _outgoing(census.outgoing)


def _jobs(census: Totals) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("zpruner_jobs", "Jobs there are.", labels=["status", "method"])
    attempts = GaugeMetricFamily(
        "zpruner_job_attempts", "Times that workers took these jobs.", labels=["method"]
    )
    crashes = GaugeMetricFamily(
        "zpruner_job_crashes", "Workers these jobs lost since their last retry.", labels=["method"]
    )
    finished = GaugeMetricFamily(
        "zpruner_jobs_finished", "Jobs that have ended.", labels=["outcome"]
    )
    for kind in census.kinds:
        jobs.add_metric([kind.status, kind.method], kind.jobs)
    for method in sorted({kind.method for kind in census.kinds}):
        mine = [kind for kind in census.kinds if kind.method == method]
        attempts.add_metric([method], sum(kind.attempts for kind in mine))
        crashes.add_metric([method], sum(kind.crashes for kind in mine))
    for state in (one for one in JobState if one.is_final):
        ended = sum(kind.jobs for kind in census.kinds if kind.status is state)
        finished.add_metric([state], ended)
    yield from (jobs, finished, attempts, crashes)


def _queues(census: Totals, names: Sequence[str]) -> Iterator[Metric]:
    depth = GaugeMetricFamily("zpruner_queue_depth", "Jobs that wait.", labels=["queue"])
    held = GaugeMetricFamily("zpruner_queue_running", "Jobs in work.", labels=["queue"])
    age = GaugeMetricFamily(
        "zpruner_queue_oldest_seconds", "Age of the job that waits longest.", labels=["queue"]
    )
    for name in names:
        queue = census.queues.get(name)
        depth.add_metric([name], queue.queued if queue else 0)
        held.add_metric([name], queue.running if queue else 0)
        age.add_metric([name], (queue.oldest_age_s if queue else None) or 0)
    yield from (depth, held, age)


def _paces(census: Totals) -> Iterator[Metric]:
    blocks = GaugeMetricFamily(
        "zpruner_running_blocks", "Blocks done by the jobs in work.", labels=["method"]
    )
    seconds = GaugeMetricFamily(
        "zpruner_running_block_seconds", "Mean seconds that one of these took.", labels=["method"]
    )
    for pace in census.paces:
        blocks.add_metric([pace.method], pace.blocks)
        if pace.blocks:
            seconds.add_metric([pace.method], pace.seconds / pace.blocks)
    yield from (blocks, seconds)


def _workers(census: Totals, names: Sequence[str]) -> Metric:
    workers = GaugeMetricFamily(
        "zpruner_workers", "Workers by queue and state.", labels=["queue", "state"]
    )
    for name in names:
        mine = [one.state for one in census.workers if name in one.worker.queues]
        for state in STATES:
            workers.add_metric([name, state], mine.count(state))
    return workers


def _outgoing(outgoing: DeliveryCount) -> Iterator[Metric]:
    deliveries = GaugeMetricFamily(
        "zpruner_webhook_deliveries", "Messages that wait, or were given up.", labels=["status"]
    )
    deliveries.add_metric(["pending"], outgoing.pending)
    deliveries.add_metric(["failed"], outgoing.failed)
    overdue = "How long the message that is due longest has not gone out."
    yield from (
        deliveries,
        GaugeMetricFamily("zpruner_webhook_overdue_seconds", overdue, outgoing.overdue_s),
    )
