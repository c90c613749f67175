"""``zpruner part control``: keeps jobs, events, estimates and webhooks going.

A program of its own, without Celery's scheduler: that one goes by the clock on the wall, and stands
still for an hour where that is set back by one.
"""

import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from db.core import redaction
from db.core.logging_setup import configure
from db.core.session import Sessions, open_sessions
from db.events.event_order import order_events
from db.files.artifact_store import ArtifactStore
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.spec.upload_store import UploadStore
from db.startup import checks
from db.startup.beats import Beats
from db.startup.private_files import keep_private
from db.webhooks.fanout import fan_out
from worker.control import janitor
from worker.control.estimator_process import EstimatorProcess
from worker.control.messages import Messages
from worker.control.reaper import Reaper
from worker.control.rounds import Round
from worker.control.scrub import Scrub
from worker.pool.checks import of_control
from worker.settings import WorkerSettings
from worker.webhooks.courier import Courier

log = logging.getLogger(__name__)
GRACE_S = 3.0


def main() -> None:
    """Go on until told to stop."""
    redaction.install()
    with checks.refusing("control"):
        settings = checks.read(WorkerSettings)
        checks.require(of_control(settings))
        keep_private(settings.data_dir)
    configure(settings.log_format, logging.WARNING)
    sessions = open_sessions(settings.database)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with EstimatorProcess() as estimator:
        rounds = make_rounds(sessions, settings, estimator)
        with _running(rounds), _sending(Courier.of(sessions, settings)):
            live(rounds, Beats(), settings.beat_every_s, stop)


def make_rounds(
    sessions: Sessions, settings: WorkerSettings, estimator: EstimatorProcess
) -> list[Round]:
    """Return all there is to do. Each has a thread of its own: none waits for another's broker."""
    store, uploads = ArtifactStore(settings.artifact_dir), UploadStore(settings.upload_dir)
    messages, reaper = Messages(settings), Reaper(sessions, store, settings)
    scrub = Scrub(
        sessions,
        store,
        every=timedelta(seconds=settings.scrub_every_s),
        bytes_per_s=settings.scrub_bytes_per_s,
    )

    def tell() -> None:
        order_events(sessions)
        fan_out(sessions)

    def sweep() -> None:
        janitor.delete_orphans(sessions, store)
        janitor.delete_left_uploads(sessions, uploads)
        janitor.purge(sessions)
        kept = {"events_s": settings.keep_events_s, "audit_s": settings.keep_audit_s}
        janitor.forget(sessions, **kept)

    often_s = settings.relay_every_s
    return [
        Round("relay", lambda: janitor.relay(sessions, messages.push, messages.waiting), often_s),
        Round("events", tell, often_s),
        Round("estimates", lambda: estimator.tend(sessions), often_s),
        Round("heartbeat", lambda: _write_heartbeat(sessions), settings.beat_every_s),
        Round("scrub", scrub.step, often_s),
        Round("reaper", reaper.turn, settings.reap_every_s),
        Round("sweep", sweep, settings.sweep_every_s),
    ]


def live(rounds: Sequence[Round], beats: Beats, every_s: float, stop: threading.Event) -> None:
    """Tell the supervisor that this process goes on, as long as all that it does comes back."""
    while True:
        if stuck := [one.name for one in rounds if one.is_stuck]:
            log.error("waiting to be restarted, as this does not come back: %s", ", ".join(stuck))
        else:
            beats.beat()
        if stop.wait(every_s):
            return


def _write_heartbeat(sessions: Sessions) -> None:
    with sessions.begin() as session:
        HeartbeatRepository(session).record()


@contextmanager
def _running(rounds: Sequence[Round]) -> Iterator[None]:
    for one in rounds:
        one.start()
    try:
        yield
    finally:
        for one in rounds:
            one.stop()
        deadline = time.monotonic() + GRACE_S
        for one in rounds:
            one.join(max(0.0, deadline - time.monotonic()))


@contextmanager
def _sending(courier: Courier) -> Iterator[None]:
    courier.start()
    try:
        yield
    finally:
        courier.stop(GRACE_S)


if __name__ == "__main__":
    main()
