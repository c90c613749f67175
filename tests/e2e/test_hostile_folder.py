"""Every program of a service with keys, started in a folder with files named like its modules."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from demo.service import free_port
from tests.chaos.tally import Tally
from tests.e2e import places
from tests.e2e.embedded import SPEC, Service, serving, submit
from tests.hostile import HostileFolder
from tests.processes import suspended, tree
from tests.waiting import DEADLINE_S, eventually
from worker import device
from zpruner import Client, ProblemError

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]
ZPRUNER = str(Path(sys.executable).with_name("zpruner"))
OTHERS = 0o077


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> HostileFolder:
    """The folder, after a check that it records imports."""
    folder = HostileFolder(tmp_path_factory.mktemp("h"))
    for program in (["-m", "db.migrate"], ["-c", "import json"], ["-m", "celery", "-A", "worker"]):
        subprocess.run([sys.executable, *program], cwd=folder.path, capture_output=True)
        assert folder.imported
        folder.forget()
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("d") / "new"


@pytest.fixture(scope="module")
def admin(data: Path, folder: HostileFolder) -> str:
    """The first key, which was created as documented."""
    run(folder, "part", "migrate", ZPRUNER_DATA_DIR=str(data))
    key = run(folder, "keys", "bootstrap", "Ada", ZPRUNER_DATA_DIR=str(data))
    assert key.startswith("zpr_")
    return key.removesuffix("\n")


@pytest.fixture(scope="module")
def service(data: Path, inputs: Path, folder: HostileFolder, admin: str) -> Iterator[Service]:
    """The whole service, which demands keys because it listens on all addresses."""
    settings = {"ZPRUNER_QUEUES": "gpu,other", "ZPRUNER_HOST": "0.0.0.0"}
    with serving(data, inputs, folder.path, **settings) as service:
        yield service


@pytest.fixture
def client(service: Service, admin: str) -> Iterator[Client]:
    with Client(service.url, admin) as client:
        yield client


def run(folder: HostileFolder, *words: str, **settings: str) -> str:
    """Run a command in the folder with a common umask, and return its output."""
    env = os.environ | settings
    command = [ZPRUNER, *words]
    done = subprocess.run(
        command, cwd=folder.path, env=env, umask=0o022, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def part(folder: HostileFolder, service: Service, *words: str) -> Iterator[None]:
    """Run a part of the service during the block."""
    env = service.environment() | {"ZPRUNER_FORK_SERVER": "never"}  # the service runs one already
    command = [ZPRUNER, "part", *words]
    process = subprocess.Popen(command, cwd=folder.path, env=env, stderr=2, umask=0o022)
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait()


def test_the_service_imports_nothing_from_the_folder_and_its_files_are_private(
    folder: HostileFolder, service: Service, client: Client, tally: Tally
) -> None:
    job = submit(client, "tiny", samples=2)
    estimate = client.estimate("local:tiny", timeout_s=DEADLINE_S, **SPEC)
    assert client.jobs.wait(job.id, timeout_s=DEADLINE_S).status == "succeeded"
    assert estimate.memory
    others = open_to_others(service.data_dir)
    # The programs: migrate, keys, serve, its three parts, a job, the estimator, the fork server.
    tally.fault("hostile current folder", 9)
    tally.check("serve in a hostile folder", folder.imported + others)
    assert tally.violations == []


def test_single_parts_import_nothing_from_the_folder(
    folder: HostileFolder, service: Service, client: Client, tally: Tally
) -> None:
    port = str(free_port())
    url = f"http://127.0.0.1:{port}/healthz"
    words = (("api", "--port", port), ("worker", "-Q", "other", "-n", "other"), ("control",))
    with (
        part(folder, service, *words[0]),
        part(folder, service, *words[1]),
        part(folder, service, *words[2]),
    ):
        eventually(lambda: answers(url))
        eventually(lambda: "other" in names(client))
        eventually(lambda: pings(folder, service, "other"))
        eventually(lambda: pings(folder, service, "control"))
    others = open_to_others(service.data_dir)
    tally.fault("hostile current folder", len(words) + 2)
    tally.check("parts in a hostile folder", folder.imported + others)
    assert tally.violations == []


def test_a_job_needs_a_key_which_appears_in_no_file_or_log(
    service: Service, client: Client, admin: str, tmp_path: Path
) -> None:
    with Client(service.url) as anonymous, pytest.raises(ProblemError, match="has no key"):
        anonymous.jobs.list()
    made = client.keys.create("ci", jobs_in_flight=1)
    with Client(service.url, made.key) as owner:
        with suspended(tree(service.worker()), service.data_dir):  # so that the first does not end
            job = submit(owner, "tiny")
            with pytest.raises(ProblemError, match="its 1 jobs_in_flight"):
                submit(owner, "tiny")
        job = owner.jobs.wait(job.id, timeout_s=DEADLINE_S)
        assert (job.status, job.created_by) == ("succeeded", made.id)
        assert owner.jobs.download(job.id, tmp_path)
        quotas = owner.me().quotas
        assert quotas is not None
        assert quotas["jobs_in_flight"].used == 0
        assert quotas["gpu_hours"].used > 0
        written = [one for one in tmp_path.rglob("*") if one.is_file()]
        assert quotas["artifact_bytes"].used == sum(one.stat().st_size for one in written)
    assert service.stop() == 0
    kept = [one for one in service.data_dir.rglob("*") if one.is_file()]
    assert "zpruner.db" in {one.name for one in kept}
    for key in (admin, made.key):
        secret = key.rpartition("_")[2].encode()
        files = [*kept, *written, service.log_file]
        assert [one for one in files if secret in one.read_bytes()] == []


def test_pruning_a_model_in_the_folder_imports_nothing_from_it(
    folder: HostileFolder, inputs: Path, tmp_path: Path, tally: Tally
) -> None:
    for path in (inputs / "tiny").iterdir():
        (folder.path / path.name).write_bytes(path.read_bytes())
    words = ("prune", ".", str(tmp_path / "out"), "--sparsity", "0.5", "--samples", "2")
    text = ("--dataset", str(inputs / "text.txt"), "--seq-len", "64", "--devices", "2")
    run(folder, *words, *text, "--eval-samples", "2", "--device", "cpu")
    tally.fault("hostile current folder", 3)  # the command and two ranks
    tally.check("prune in a hostile folder", folder.imported)
    assert tally.violations == []
    made = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert {f"{path.stat().st_mode & 0o777:o}" for path in made} <= {"755", "644"}


def test_detecting_a_device_imports_nothing_from_the_folder(
    folder: HostileFolder, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    monkeypatch.chdir(folder.path)
    with pytest.raises(device.NoDeviceError):
        device.detect_in_subprocess("cuda:99")
    tally.fault("hostile current folder")
    assert folder.imported == []


def open_to_others(folder: Path) -> list[str]:
    """Return the paths that others than the owner may access, each with its mode."""
    found = []
    for path in places.paths(folder):
        with suppress(FileNotFoundError):  # a worker has just deleted it
            if (mode := path.lstat().st_mode) & OTHERS:
                found.append(f"{path} {mode:o}")
    return found


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def pings(folder: HostileFolder, service: Service, name: str) -> bool:
    command = [ZPRUNER, "part", "ping", name]
    done = subprocess.run(command, cwd=folder.path, env=service.environment(), capture_output=True)
    return done.returncode == 0


def names(client: Client) -> set[str]:
    """Return the names of the running workers."""
    return {worker.name.partition("@")[0] for worker in client.workers.list()}
