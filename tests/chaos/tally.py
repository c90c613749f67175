"""How many faults were injected, and what was found broken afterwards."""

import threading
from collections import Counter
from hashlib import sha256
from pathlib import Path

from db.core.errors import ArtifactNotFoundError
from db.core.session import Sessions
from db.core.states import FINAL, JobState
from db.events.job_events import EventRepository
from db.events.use_sums import correction
from db.files.artifacts import ArtifactRepository
from db.files.file_store import FileStore
from db.jobs.repository import JobRepository
from db.tables.artifacts import Artifact


class Tally:
    """Counts faults by kind. What is broken is kept, for one message about all of it."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.violations: list[str] = []
        self._lock = threading.Lock()

    def fault(self, kind: str, count: int = 1) -> None:
        """Note faults that did hit."""
        with self._lock:
            self.faults[kind] += count

    def check(self, context: str, found: list[str]) -> None:
        """Note what is broken after one of them."""
        with self._lock:
            self.violations += [f"{context}: {one}" for one in found]

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(self.faults.items()))
        total, broken = self.faults.total(), len(self.violations)
        return f"{total} faults injected, {broken} violations ({kinds})"


def weights(sessions: Sessions, job_id: str) -> dict[str, str]:
    """Return the sha256 of each file of weights that a job made."""
    with sessions() as session:
        files = ArtifactRepository(session).of_job(job_id)
    return {one.name: one.sha256 for one in files if one.name.endswith(".safetensors")}


def is_intact(store: FileStore, artifact: Artifact) -> bool:
    """Whether a file is there and is what its row says."""
    try:
        content = store.open(artifact).content()
    except ArtifactNotFoundError:
        return False
    return sha256(content).hexdigest() == artifact.sha256


def broken(
    sessions: Sessions, artifact_dir: Path, job_id: str, undisturbed: dict[str, str]
) -> list[str]:
    """Return what is wrong with a job that should have ended well, with these weights."""
    store, found = FileStore(artifact_dir), []
    with sessions() as session:
        job, files = JobRepository(session).get(job_id), ArtifactRepository(session).of_job(job_id)
        events = EventRepository(session).events(job_id, limit=10_000)
    ends = [one.status for one in events if one.kind == "status" and one.status in FINAL]
    if ends.count(JobState.succeeded) != 1 or job.status is not JobState.succeeded:
        found.append(f"it is {job.status} after {ends}: {job.error}")
    if [one.seq for one in events] != list(range(1, len(events) + 1)):
        found.append("its events have gaps")
    if not all(is_intact(store, one) for one in files):
        found.append("a file is not what its row says")
    if weights(sessions, job_id) != undisturbed:
        found.append("its weights are not those of an undisturbed run")
    published = [path.name for path in (artifact_dir / job_id).glob("*")]
    if published != [str(job.attempt)]:
        found.append(f"attempts {published} are published, {job.attempt} made the files")
    found += wrong_sums(sessions)
    return found


def wrong_sums(sessions: Sessions) -> list[str]:
    """Return a line if the daily sums of use are not those of the rows."""
    with sessions() as session:
        lacking = correction(session.connection())
    return [f"the daily sums lack {lacking}"] if lacking else []
