"""Jobs with outputs, and what becomes of them."""

import random
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import select, update

from db.access.caller_secrets import SecretRepository
from db.core.clock import now
from db.core.session import Sessions
from db.events.job_events import EventRepository
from db.files.artifact_store import ArtifactStore
from db.outputs.repository import OutputRepository
from db.startup.encryption_keys import read_cipher
from db.startup.settings import Settings
from db.tables.jobs import Job, JobEvent
from db.tables.outputs import Output, OutputState
from tests.api.work import finish_job
from tests.factories import make_spec
from tests.waiting import DEADLINE_S
from worker.outputs.dispatcher import OutputDispatcher
from worker.outputs.sender import Sender

SECRET = "canary.5b1d0c"
WEIGHTS = random.Random(0).randbytes(200_000)
FILES = {
    "README.md": b"---\nlicense: mit\n---\n# Pruned\n",
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "report.json": b'{"blocks": []}',
}


@dataclass(frozen=True)
class Sending:
    """A service that has a database and files, but no processes."""

    sessions: Sessions
    store: ArtifactStore
    settings: Settings

    def allow(self, *urls: str) -> None:
        """Allow targets below these URLs."""
        self.settings.output_urls = urls

    def set_secret(self, name: str, value: str) -> None:
        with self.sessions.begin() as session:
            SecretRepository(session).set(name, value, None, read_cipher(self.settings))

    def finish_job(self, *targets: dict[str, Any], files: dict[str, bytes] = FILES) -> Job:
        """Run a job with these targets to its good end."""
        return finish_job(self.sessions, self.store, files, spec=make_spec(output=targets))

    def dispatcher(self, **options: Any) -> OutputDispatcher:
        sender = Sender(self.sessions, self.settings)
        return OutputDispatcher(self.sessions, self.store, sender, **options)

    def send(self) -> None:
        """Make one attempt at each output that is due."""
        dispatcher = self.dispatcher()
        dispatcher.send_due()
        dispatcher.wait(DEADLINE_S)

    def send_again(self) -> None:
        """Let the delays of failed attempts pass, and send."""
        with self.sessions.begin() as session:
            past = now(-timedelta(seconds=1))
            waits = Output.state == OutputState.waiting
            session.execute(update(Output).where(waits).values(next_attempt_at=past))
        self.send()

    def retry(self, job: Job, index: int = 0) -> None:
        with self.sessions.begin() as session:
            OutputRepository(session).retry(job.id, index)

    def cancel(self, job: Job, index: int = 0) -> None:
        with self.sessions.begin() as session:
            OutputRepository(session).cancel(job.id, index)

    def output(self, job: Job, index: int = 0) -> Output:
        with self.sessions() as session:
            return OutputRepository(session).get(job.id, index)

    def outcome(self, job: Job) -> tuple[OutputState, str | None]:
        """Return an output's state and the code of its error."""
        output = self.output(job)
        return output.state, (output.error or {}).get("code")

    def events(self, job: Job) -> list[JobEvent]:
        with self.sessions() as session:
            events = EventRepository(session).events(job.id)
        return [one for one in events if one.kind.startswith("output_")]

    def rows(self) -> str:
        """Return all that the database has about jobs, outputs and events, as text."""
        with self.sessions() as session:
            tables = (Job, Output, JobEvent)
            rows = [row for table in tables for row in session.scalars(select(table))]
            return "\n".join(str(vars(row)) for row in rows)


def checksums(job_files: dict[str, bytes]) -> bytes:
    """Return the file of checksums of a job."""
    lines = (f"{sha256(data).hexdigest()}  {name}\n" for name, data in sorted(job_files.items()))
    return "".join(lines).encode()
