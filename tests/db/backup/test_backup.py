"""Backups that are made while jobs are accepted, run, end and are deleted, and what is restored."""

import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from db.backup.backup import back_up, source_of
from db.backup.folder import BackupError
from db.backup.restore import require_intact, restore
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.events.use_sums import correction
from db.files.datasets import DatasetRepository
from db.files.file_store import FileStore
from db.files.stored_file import LocalFile
from db.files.stores import open_store, open_uploads
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.startup.settings import Settings
from db.tables.artifacts import Artifact
from db.tables.daily_use import DailyUse
from db.tables.datasets import Dataset
from db.tables.jobs import Job
from db.tables.webhooks import Webhook
from tests.api.work import finish, finish_job
from tests.bucket_server import create_bucket
from tests.db.backup.conftest import settings
from tests.factories import make_job, make_webhook
from tests.waiting import DEADLINE_S

TEXT = b"a line of text\n"
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Load:
    """A service whose jobs are accepted, run, end and are deleted all the time.

    Attributes:
        accepted: the ids of the jobs that were accepted and not deleted, in order.
    """

    service: Settings
    sessions: Sessions
    accepted: list[str] = field(default_factory=list)

    @contextmanager
    def running(self, jobs: int) -> Iterator[None]:
        """Work in a thread during the block, which begins after a number of jobs."""
        enough, stop = threading.Event(), threading.Event()

        def work() -> None:
            try:
                for turn in range(100_000):
                    if stop.is_set():
                        break
                    self.turn(turn)
                    if turn == jobs:
                        enough.set()
            finally:
                enough.set()

        with ThreadPoolExecutor() as pool:
            working = pool.submit(work)
            enough.wait()
            try:
                yield
            finally:
                stop.set()
            working.result(DEADLINE_S)

    def turn(self, number: int) -> None:
        """Accept a job, let every second one run to its end, and delete every tenth one again."""
        store = open_store(self.service)
        job_id = make_job(self.sessions, gate={"min": {"sparsity": 0.4}}).id
        if number % 2:
            finish(self.sessions, store, job_id)
        else:
            with self.sessions.begin() as session:
                ClaimRepository(session).claim(job_id, "worker@old")
        if number % 10 == 3:
            with self.sessions.begin() as session:
                JobCommands(session).delete(job_id)
            store.delete_job(job_id)
        else:
            self.accepted.append(job_id)


def upload(service: Settings, sessions: Sessions) -> str:
    """Store a dataset as the API does, and return its reference."""
    uploads, digest = open_uploads(service), hashlib.sha256(TEXT).hexdigest()
    staged = uploads.stage("text/plain")
    staged.write_bytes(TEXT)
    with sessions.begin() as session:
        new = Dataset(size_bytes=len(TEXT), sha256=digest, media_type="text/plain")
        row = DatasetRepository(session).add(new)
        session.flush()
        uploads.place(staged, row.id, digest)
    return row.reference


def wrong_files(service: Settings, sessions: Sessions) -> list[str]:
    """Return the names of the files that are not what their rows say."""
    store = open_store(service)
    with sessions() as session:
        rows = list(session.scalars(select(Artifact)))
    assert rows
    return [
        one.name
        for one in rows
        if hashlib.sha256(store.open(one).content()).hexdigest() != one.sha256
    ]


@contextmanager
def opened(service: Settings) -> Iterator[Sessions]:
    sessions = open_sessions(service.database)
    yield sessions
    sessions.kw["bind"].dispose()


@pytest.mark.parametrize("empty_service", ["sqlite", "postgres"], indirect=True)
def test_a_backup_under_load_restores_each_job_that_was_accepted_before_and_all_its_files(
    service: Settings, sessions: Sessions, empty_service: Settings, tmp_path: Path
) -> None:
    load, dataset = Load(service, sessions), upload(service, sessions)
    with load.running(jobs=20):
        accepted = list(load.accepted)
        manifest = back_up(source_of(service), tmp_path / "backup")
    assert len(load.accepted) > len(accepted) >= 16
    assert manifest.damaged == {}

    restore(tmp_path / "backup", empty_service)

    with opened(empty_service) as restored:
        with sessions() as before, restored() as after:
            for job_id in accepted:
                old, new = before.get_one(Job, job_id), after.get_one(Job, job_id)
                assert (new.spec, new.gate, new.created_at) == (old.spec, old.gate, old.created_at)
                assert (new.result, new.finished_at) == (old.result, old.finished_at)
            without = select(Job.id).where(Job.result.is_(None), Job.id.in_(accepted))
            assert set(before.scalars(without)) == set(after.scalars(without)) != set()
            assert correction(after.connection()) == {}
            assert after.scalars(select(func.sum(DailyUse.held_us))).one() > 0
        assert wrong_files(empty_service, restored) == []
        folder = open_uploads(empty_service)
        [path] = empty_service.upload_dir.iterdir()
        assert path == folder.path(dataset.removeprefix("uploaded:"), "text/plain")
        assert path.read_bytes() == TEXT


@ON_SQLITE
def test_a_backup_moves_a_service_from_a_bucket_to_a_folder_and_into_another_bucket(
    service: Settings,
    sessions: Sessions,
    empty_service: Settings,
    bucket_url: str,
    s3_server: str,
    tmp_path: Path,
) -> None:
    in_bucket = service.model_copy(update={"artifact_url": bucket_url})
    finish_job(sessions, open_store(in_bucket))
    upload(in_bucket, sessions)
    back_up(source_of(in_bucket), tmp_path / "backup")
    other = settings(tmp_path / "other", artifact_url=create_bucket(s3_server))
    for target in (empty_service, other):
        restore(tmp_path / "backup", target)
        with opened(target) as restored:
            assert wrong_files(target, restored) == []
        [name] = open_uploads(target).unmodified_for(timedelta(days=-1))
        assert name.startswith("dat_")
    with pytest.raises(BackupError, match="There are files"):
        restore(tmp_path / "backup", settings(tmp_path / "third", artifact_url=other.artifact_url))


@ON_SQLITE
def test_what_ran_is_queued_again_without_a_crash_and_runs_to_its_end(
    service: Settings, sessions: Sessions, empty_service: Settings, tmp_path: Path
) -> None:
    running = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(running, "worker@old")
    back_up(source_of(service), tmp_path / "backup")
    restore(tmp_path / "backup", empty_service)
    with opened(empty_service) as restored, restored.begin() as session:
        job = JobRepository(session).get(running)
        assert (job.status, job.crashes, job.worker) == (JobState.queued, 0, None)
        assert correction(session.connection()) == {}
        assert EventRepository(session).events(running)[-1].data == {"reason": "restored"}
        claimed = ClaimRepository(session).claim(running, "worker@new")
        assert claimed is not None
        assert claimed.attempt == 2


@ON_SQLITE
def test_a_file_that_is_deleted_before_it_is_copied_is_in_no_row_of_the_backup(
    service: Settings, sessions: Sessions, tmp_path: Path
) -> None:
    kept, gone = (finish_job(sessions, open_store(service)).id for _ in range(2))
    opened_first: list[str] = []

    class Deleting(FileStore):
        def open(self, artifact: Artifact) -> LocalFile:
            if not opened_first:
                with sessions.begin() as session:
                    JobCommands(session).delete(gone)
                self.delete_job(gone)
            opened_first.append(artifact.name)
            return super().open(artifact)

    source = replace(source_of(service), store=Deleting(service.artifact_dir))
    manifest = back_up(source, tmp_path / "backup")
    assert (manifest.rows["jobs"], manifest.damaged) == (1, {})
    assert [path.name for path in (tmp_path / "backup" / "artifacts").iterdir()] == [kept]
    require_intact(tmp_path / "backup")


@ON_SQLITE
def test_a_file_that_the_service_has_lost_is_named_and_does_not_prevent_the_backup(
    service: Settings, sessions: Sessions, empty_service: Settings, tmp_path: Path
) -> None:
    job_id = finish_job(sessions, open_store(service)).id
    folder = service.artifact_dir / job_id / "1"
    (folder / "report.json").unlink()
    (folder / "model" / "weights.bin").write_bytes(b"rotten")
    manifest = back_up(source_of(service), tmp_path / "backup")
    report, weights = sorted(manifest.damaged, key=len)
    assert (report, manifest.damaged[report]) == (
        f"artifacts/{job_id}/1/report.json",
        "is missing in the service",
    )
    assert manifest.damaged[weights].startswith("has the sha256 ")
    restore(tmp_path / "backup", empty_service)
    restored = empty_service.artifact_dir / job_id / "1"
    assert (restored / "provenance.json").exists()
    assert not (restored / "report.json").exists()


@ON_SQLITE
def test_a_damaged_backup_restores_nothing(
    service: Settings, sessions: Sessions, empty_service: Settings, tmp_path: Path
) -> None:
    job_id = finish_job(sessions, open_store(service)).id
    folder = tmp_path / "backup"
    back_up(source_of(service), folder)
    (folder / "artifacts" / job_id / "1" / "report.json").write_text("{ }")
    with pytest.raises(BackupError, match=r"report\.json has the sha256"):
        restore(folder, empty_service)
    assert not empty_service.artifact_dir.exists()
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(BackupError, match="interrupted"):
        restore(folder, empty_service)


@ON_SQLITE
def test_a_row_that_was_changed_in_a_backup_is_found(
    service: Settings, sessions: Sessions, tmp_path: Path
) -> None:
    make_job(sessions)
    folder = tmp_path / "backup"
    back_up(source_of(service), folder)
    rows = folder / "rows" / "jobs.jsonl"
    rows.write_text(rows.read_text().replace("queued", "failed"))
    with pytest.raises(BackupError, match=r"jobs\.jsonl has the sha256"):
        require_intact(folder)


@ON_SQLITE
def test_a_backup_of_a_newer_version_is_refused(
    service: Settings, empty_service: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    back_up(source_of(service), folder)
    manifest = json.loads((folder / "backup.json").read_text())
    for newer in ({"migration": "9999"}, {"format": 2}):
        (folder / "backup.json").write_text(json.dumps(manifest | newer))
        with pytest.raises(BackupError, match="with that version"):
            restore(folder, empty_service)


@ON_SQLITE
def test_a_service_with_data_is_refused(
    service: Settings, sessions: Sessions, tmp_path: Path, empty_service: Settings
) -> None:
    folder = tmp_path / "backup"
    finish_job(sessions, open_store(service))
    back_up(source_of(service), folder)
    with pytest.raises(BackupError, match="has tables already"):
        restore(folder, service)
    (empty_service.artifact_dir / "job_1").mkdir(parents=True)
    with pytest.raises(BackupError, match="There are files"):
        restore(folder, empty_service)
    with pytest.raises(BackupError, match="is not empty"):
        back_up(source_of(service), folder)


@ON_SQLITE
def test_a_backup_has_no_readable_secret_and_its_key_restores_them(
    service: Settings, sessions: Sessions, empty_service: Settings, tmp_path: Path
) -> None:
    hook = make_webhook(sessions)
    back_up(source_of(service), tmp_path / "backup")
    written = [path.read_text() for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert [text for text in written if hook.secret in text] == []
    wrong = empty_service.model_copy(update={"secrets_key": None})
    with pytest.raises(BackupError, match="cannot be read"):
        restore(tmp_path / "backup", wrong)
    other = settings(empty_service.data_dir, secrets_key=Fernet.generate_key().decode())
    with pytest.raises(BackupError, match="is not that of the service"):
        restore(tmp_path / "backup", other)
    restore(tmp_path / "backup", empty_service)
    with opened(empty_service) as restored, restored() as session:
        assert session.get_one(Webhook, hook.id).secret == hook.secret


@ON_SQLITE
def test_without_the_key_webhooks_get_new_secrets(
    service: Settings, sessions: Sessions, empty_service: Settings, tmp_path: Path
) -> None:
    hook = make_webhook(sessions)
    back_up(source_of(service), tmp_path / "backup")
    restore(tmp_path / "backup", empty_service, has_key=False)
    with opened(empty_service) as restored, restored() as session:
        assert session.get_one(Webhook, hook.id).secret.startswith("whsec_")
        assert session.get_one(Webhook, hook.id).secret != hook.secret


@ON_SQLITE
def test_a_service_without_a_key_is_backed_up_if_it_has_no_secrets(
    service: Settings, sessions: Sessions, tmp_path: Path
) -> None:
    keyless = service.model_copy(update={"secrets_key": None})
    back_up(source_of(keyless), tmp_path / "first")
    make_webhook(sessions)
    with pytest.raises(BackupError, match="ZPRUNER_SECRETS_KEY"):
        back_up(source_of(keyless), tmp_path / "second")
