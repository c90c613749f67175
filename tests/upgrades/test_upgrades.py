"""Data folders that earlier releases have left behind, opened by the current code.

`tools.upgrade_data` has written them: one for each release, with a finished job and with jobs whose
workers were killed in the middle.

That of 0.1.0 was written by the same steps over the sources of 0.1.0, which had no ``refine`` and
no ``recover``: three sweeps were killed in it. 0.1.0-33055d8f is of the last commit that called
itself 0.1.0, which had both.
"""

import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.events.logs import LogRepository
from db.files.artifacts import ArtifactRepository
from db.files.file_store import FileStore
from db.schema.migration import migrate
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Job
from tests.factories import expire_lease
from tools.upgrade_data import NoBroker, served_by, settings_in
from tools.upgrade_folders import ARCHIVE, FINISHED, FOLDERS, HALF_DONE, contents, this_version
from worker.attempts.run import Runner
from worker.control.lease_recovery import recover_leases
from worker.jobs.prune import prune
from worker.pruning.base.generators import run_to_end
from worker.pruning.sweep.resume_log import Record, ResumeLog
from worker.settings import WorkerSettings

DIFFERENT = {"README.md", "SHA256SUMS", "provenance.json", "report.json"}
"""The files that name times or attempts."""
VERSIONS = sorted(path.parent.name for path in FOLDERS.glob(f"*/{ARCHIVE}"))
KILLED = [(version, name) for version in VERSIONS for name in contents(version)[HALF_DONE]]


@dataclass(frozen=True)
class UpgradedService:
    """The folder of a release after an upgrade and a start: migrated, and its jobs queued again."""

    root: Path
    settings: WorkerSettings
    sessions: Sessions
    store: FileStore

    def job(self, name: str) -> Job:
        with self.sessions() as session:
            return session.scalars(select(Job).filter_by(name=name)).one()


def upgraded(version: str, root: Path) -> UpgradedService:
    with tarfile.open(FOLDERS / version / ARCHIVE) as archive:
        archive.extractall(root, filter="data")
    settings = WorkerSettings.model_validate(settings_in(root) | {"worker_nice": 0})
    migrate(settings.database)
    sessions, store = open_sessions(settings.database), FileStore(settings.artifact_dir)
    service = UpgradedService(root, settings, sessions, store)
    names = contents(version)[HALF_DONE]
    for name in names:
        expire_lease(sessions, service.job(name).id)
    assert recover_leases(sessions, store, settings.keep_unfinished) == len(names)
    return service


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], UpgradedService]]:
    opened: dict[str, UpgradedService] = {}

    def service(version: str) -> UpgradedService:
        if version not in opened:
            opened[version] = upgraded(version, tmp_path_factory.mktemp("upgraded"))
        return opened[version]

    yield service
    for one in opened.values():
        one.sessions.kw["bind"].dispose()


def runs(folder: Path) -> dict[Path, list[Record]]:
    """Return the records of each run whose progress is below a folder, a sweep before a recovery.

    The folder of a sweep is below that of the recovery that follows it.
    """
    found = sorted(folder.rglob("journal.jsonl"), key=lambda path: -len(path.parts))
    return {path.relative_to(folder): ResumeLog(path).read() for path in found}


def changes(earlier: list[Record], current: list[Record]) -> list[str]:
    """Return what differs between two runs: their code, or else other parts of fingerprints."""
    before, now = earlier[0]["fingerprint"], current[0]["fingerprint"]
    found = {name for name, part in now.items() if before.get(name) != part}
    return sorted(found & {"code", "recovery_code"} or found)


def done(records: list[Record]) -> int:
    """Return how many blocks or steps of a run are finished."""
    blocks = sum("block" in record for record in records)
    return blocks or max(record["state"]["step"] for record in records if "state" in record)


def logged_changes(service: UpgradedService, job_id: str) -> list[list[str]]:
    """Return the changes that a job's log gives as reasons to start over."""
    with service.sessions() as session:
        lines = [line.message for line in LogRepository(session).lines(job_id, level="WARNING")]
    found = [re.fullmatch("starting over: (.*) changed since the last run", one) for one in lines]
    return [sorted(one[1].split(", ")) for one in found if one]


def files_of(service: UpgradedService, job_id: str) -> dict[str, bytes]:
    with service.sessions() as session:
        found = ArtifactRepository(session).of_job(job_id)
    return {one.name: service.store.open(one).content() for one in found}


def undisturbed(service: UpgradedService, spec: PruneSpec, out: Path) -> dict[str, bytes]:
    """Run a job in a folder of its own, and return its files."""
    out.mkdir()
    run_to_end(prune(spec, out, service.settings.resources))
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@pytest.mark.parametrize(("version", "name"), KILLED)
def test_a_half_done_job_ends_with_the_bytes_of_an_undisturbed_one_and_says_why_if_it_starts_over(
    services: Callable[[str], UpgradedService], tmp_path: Path, version: str, name: str
) -> None:
    service = services(version)
    job = service.job(name)
    assert (job.status, job.attempt, job.crashes) == (JobState.queued, 1, 1)
    earlier = runs(service.settings.artifact_dir / "staging" / job.id / "1")
    expected = undisturbed(service, job.spec, tmp_path / "undisturbed")
    current = runs(tmp_path / "undisturbed")
    changed = {path: changes(earlier[path], current[path]) for path in earlier}

    Runner(service.sessions, service.store, prune, service.settings, worker="test/1").run(job.id)

    assert service.job(name).status is JobState.succeeded, service.job(name).error
    files = files_of(service, job.id)
    for file in expected.keys() - DIFFERENT:
        assert files[file] == expected[file], file
    assert logged_changes(service, job.id) == [one for one in changed.values() if one]
    report = json.loads(files["report.json"])
    resumed = [report["resumed_from_block"]]
    resumed += [report["recovery"]["resumed_from_step"]] if name == "recover" else []
    assert resumed == [None if changed[path] else done(earlier[path]) for path in earlier]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_finished_job_is_served_as_its_own_release_has_served_it(
    services: Callable[[str], UpgradedService], version: str
) -> None:
    settings = ApiSettings.model_validate(settings_in(services(version).root))
    expected = contents(version)[FINISHED]
    with TestClient(create_app(settings, NoBroker()), base_url="http://127.0.0.1") as client:
        assert served_by(client, expected["id"]) == expected
        for name, (file_id, size_bytes, digest) in expected["files"].items():
            content = client.get(f"/v1/artifacts/{file_id}/content").raise_for_status().content
            assert (len(content), sha256(content).hexdigest()) == (size_bytes, digest), name


def test_this_release_has_a_folder() -> None:
    assert this_version() in VERSIONS, "run `make release-check` and commit its files"
