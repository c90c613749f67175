"""The metrics of ``/metrics``, most of which are computed from the database."""

import threading
import time
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.middleware.request_metrics import RequestMetrics
from api.services.shared_metrics import SharedMetrics
from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.jobs.totals import DeliveryCount, Totals, read_totals
from db.scheduling.workers import STATES

CACHED_FOR_S = 5.0
"""How long results are reused, so that several scrapers cost as much as one."""


class Metrics:
    """The Prometheus metrics of one API process, or of all API processes if they share them."""

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        queues: Sequence[str] = (),
        shared: SharedMetrics | None = None,
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(RowCollector(sessions, store, queues))
        if shared is None:
            ProcessCollector(registry=self.registry)
        else:
            shared.register(self.registry)
        self.requests = RequestMetrics(self.registry if shared is None else None)


class RowCollector(Collector):
    """Counts database rows for a scrape, and reuses the result for ``CACHED_FOR_S`` seconds."""

    def __init__(
        self, sessions: Sessions, store: ArtifactStore, queues: Sequence[str] = ()
    ) -> None:
        self._sessions, self._store, self._queues = sessions, store, queues
        self._lock = threading.Lock()
        self._metrics: list[Metric] = []
        self._fresh_until = 0.0

    def describe(self) -> list[Metric]:
        """Return no metrics: otherwise the registration would read them from the database."""
        return []

    def collect(self) -> list[Metric]:
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                totals = read_totals(self._sessions)
                self._metrics = [
                    *_all_metrics(totals, self._queues),
                    *_storage(totals, self._free_bytes()),
                ]
                self._fresh_until = time.monotonic() + CACHED_FOR_S
            return self._metrics

    def _free_bytes(self) -> int | None:
        try:
            return self._store.free_bytes()
        except OSError:  # the other metrics are needed most when a disk is unavailable
            return None


def _all_metrics(totals: Totals, queues: Sequence[str]) -> Iterator[Metric]:
    taken = {name for status in totals.workers for name in status.worker.queues}
    names = sorted({*queues, *taken, *totals.queues})
    yield from _jobs(totals)
    yield from _queues(totals, names)
    yield from _paces(totals)
    expired = "Jobs whose lease has expired and which the control process has not released yet."
    yield GaugeMetricFamily("zpruner_leases_expired", expired, totals.expired_leases)
    yield _workers(totals, names)
    yield from _outgoing(totals.outgoing)


def _storage(totals: Totals, free_bytes: int | None) -> Iterator[Metric]:
    stored = "Bytes of all artifacts."
    yield GaugeMetricFamily("zpruner_artifacts_bytes", stored, totals.artifact_bytes)
    yield GaugeMetricFamily("zpruner_artifacts", "Finished files.", totals.artifacts)
    free = "Bytes that the disk of the artifacts can still hold; absent for a bucket."
    if free_bytes is not None:
        yield GaugeMetricFamily("zpruner_artifacts_free_bytes", free, free_bytes)
    deleted = GaugeMetricFamily(
        "zpruner_artifacts_deleted_bytes",
        "Bytes of artifacts that retention rules deleted, of jobs that still exist.",
        labels=["rule"],
    )
    for rule, size_bytes in sorted(totals.deleted_bytes.items()):
        deleted.add_metric([rule], size_bytes)
    yield deleted


def _jobs(totals: Totals) -> Iterator[Metric]:
    jobs = GaugeMetricFamily(
        "zpruner_jobs", "Jobs by status and method.", labels=["status", "method"]
    )
    attempts = GaugeMetricFamily(
        "zpruner_job_attempts", "Attempts of these jobs.", labels=["method"]
    )
    crashes = GaugeMetricFamily(
        "zpruner_job_crashes",
        "Workers that these jobs lost since their last retry.",
        labels=["method"],
    )
    finished = GaugeMetricFamily(
        "zpruner_jobs_finished", "Jobs that have ended.", labels=["outcome"]
    )
    for kind in totals.kinds:
        jobs.add_metric([kind.status, kind.method], kind.jobs)
    for method in sorted({kind.method for kind in totals.kinds}):
        mine = [kind for kind in totals.kinds if kind.method == method]
        attempts.add_metric([method], sum(kind.attempts for kind in mine))
        crashes.add_metric([method], sum(kind.crashes for kind in mine))
    for state in (state for state in JobState if state.is_final):
        ended = sum(kind.jobs for kind in totals.kinds if kind.status is state)
        finished.add_metric([state], ended)
    yield from (jobs, finished, attempts, crashes)


def _queues(totals: Totals, names: Sequence[str]) -> Iterator[Metric]:
    depth = GaugeMetricFamily(
        "zpruner_queue_depth", "Jobs that wait for a worker.", labels=["queue"]
    )
    held = GaugeMetricFamily("zpruner_queue_running", "Jobs that a worker holds.", labels=["queue"])
    age = GaugeMetricFamily(
        "zpruner_queue_oldest_seconds", "Age of the oldest that waits.", labels=["queue"]
    )
    for name in names:
        queue = totals.queues.get(name)
        depth.add_metric([name], queue.queued if queue else 0)
        held.add_metric([name], queue.running if queue else 0)
        age.add_metric([name], (queue.oldest_age_s if queue else None) or 0)
    yield from (depth, held, age)


def _paces(totals: Totals) -> Iterator[Metric]:
    blocks = GaugeMetricFamily(
        "zpruner_running_blocks", "Blocks that the running jobs have finished.", labels=["method"]
    )
    seconds = GaugeMetricFamily(
        "zpruner_running_block_seconds", "Mean seconds for each of these blocks.", labels=["method"]
    )
    for pace in totals.paces:
        blocks.add_metric([pace.method], pace.blocks)
        if pace.blocks:
            seconds.add_metric([pace.method], pace.seconds / pace.blocks)
    yield from (blocks, seconds)


def _workers(totals: Totals, names: Sequence[str]) -> Metric:
    workers = GaugeMetricFamily(
        "zpruner_workers", "Workers by queue and state.", labels=["queue", "state"]
    )
    for name in names:
        mine = [status.state for status in totals.workers if name in status.worker.queues]
        for state in STATES:
            workers.add_metric([name, state], mine.count(state))
    return workers


def _outgoing(outgoing: DeliveryCount) -> Iterator[Metric]:
    deliveries = GaugeMetricFamily(
        "zpruner_webhook_deliveries", "Deliveries that wait or have failed.", labels=["status"]
    )
    deliveries.add_metric(["pending"], outgoing.pending)
    deliveries.add_metric(["failed"], outgoing.failed)
    overdue = "Time since the oldest waiting delivery was due."
    yield from (
        deliveries,
        GaugeMetricFamily("zpruner_webhook_overdue_seconds", overdue, outgoing.overdue_s),
    )
