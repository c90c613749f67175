"""Workers that are evicted from their hosts in the middle of each of ten blocks.

An eviction is SIGTERM, and SIGKILL after a grace. In every second block the grace is long enough
for the worker to finish it; in the others the worker is killed.
"""

import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.files.stores import open_store
from db.jobs.repository import JobRepository
from tests.chaos import engine
from tests.chaos.tally import Tally, weights
from tests.factories import expire_lease, make_job
from tests.waiting import DEADLINE_S
from worker.attempts.run import Runner
from worker.control.lease_recovery import recover_leases
from worker.settings import WorkerSettings

pytestmark = pytest.mark.chaos

BLOCKS = 10


@dataclass(frozen=True)
class Host:
    """A host of a worker, whose data folder another one has only in the embedded topology.

    Attributes:
        computed: a file that every worker appends the indices of the blocks to that it begins.
        artifact_url: the bucket; None for the data folder.
    """

    name: str
    data_dir: Path
    database: str
    artifact_url: str | None
    computed: Path

    @property
    def settings(self) -> WorkerSettings:
        where = {"data_dir": self.data_dir, "artifact_url": self.artifact_url}
        return WorkerSettings.model_validate({"worker_nice": 0} | where)

    def run(self, job_id: str, evicted_in: int | None = None) -> None:
        """Work as the process of a worker does, which is evicted in the middle of a block."""

        def within(block: int) -> None:
            with self.computed.open("a") as file:
                file.write(f"{block}\n")
            if block == evicted_in:
                os.kill(os.getpid(), signal.SIGTERM)
                if is_killed(block):
                    os.kill(os.getpid(), signal.SIGKILL)

        stopping, sessions = threading.Event(), open_sessions(self.database)
        if evicted_in is not None:
            signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        settings = self.settings
        Runner(
            sessions,
            open_store(settings),
            engine.work(BLOCKS, within),
            settings,
            worker=f"{self.name}/{os.getpid()}",
            stopping=stopping,
        ).run(job_id)
        sessions.kw["bind"].dispose()


def is_killed(block: int) -> bool:
    """Whether the grace ends before a worker has finished this block."""
    return block % 2 == 1


def evict(environment: dict[str, str], host: Host, job_id: str, block: int) -> None:
    os.environ |= environment
    host.run(job_id, block)


@pytest.fixture
def hosts(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Host, Host]:
    """Two hosts: with SQLite and one folder, or with PostgreSQL, a bucket and folders of their own.

    The broker has no part in this: what it loses is sent again, as other tests show.
    """
    is_embedded = database_url.startswith("sqlite")
    bucket = None if is_embedded else request.getfixturevalue("bucket_url")
    first, second = ("data", "data") if is_embedded else ("first", "second")
    common = (database_url, bucket, tmp_path / "computed")
    return Host("spot-1", tmp_path / first, *common), Host("node-2", tmp_path / second, *common)


def test_an_evicted_worker_loses_one_block_at_most_and_the_next_host_makes_the_same_bytes(
    hosts: tuple[Host, Host], sessions: Sessions, processes: ForkServerContext, tally: Tally
) -> None:
    evicted, other = hosts
    undisturbed = make_job(sessions).id
    other.run(undisturbed)
    for block in range(BLOCKS):
        job_id = make_job(sessions).id
        evicted.computed.unlink()
        process = processes.Process(target=evict, args=(dict(os.environ), evicted, job_id, block))
        process.start()
        process.join(DEADLINE_S)
        assert process.exitcode == (-signal.SIGKILL if is_killed(block) else 0)
        tally.fault(f"worker evicted with {'a bucket' if other.artifact_url else 'a folder'}")
        if is_killed(block):
            expire_lease(sessions, job_id)
            recover_leases(sessions, open_store(other.settings), other.settings.keep_unfinished)

        other.run(job_id)

        with sessions() as session:
            job = JobRepository(session).get(job_id)
            events = EventRepository(session).events(job_id)
        assert (job.status, job.attempt) == (JobState.succeeded, 2), job.error
        assert job.crashes == is_killed(block)
        resumed = [one.data["resumed_from_block"] for one in events if one.kind == "resumed"]
        assert resumed == [block if is_killed(block) else block + 1]
        again = [block] if is_killed(block) else []
        began = sorted(map(int, evicted.computed.read_text().split()))
        assert began == sorted([*range(BLOCKS), *again])
        assert weights(sessions, job_id) == weights(sessions, undisturbed) != {}
