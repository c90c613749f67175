"""Write the data folder of a service whose workers were killed: ``python -m tools.upgrade_data``.

The folder has a finished job and half-done ones. It is stored under this version's name, so each
release adds its own, and tests/upgrades opens all of them with the current code.
"""

import json
import os
import signal
import tarfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from benchmarks.llama import RandomLlama
from db.core.session import open_sessions
from db.core.states import JobState, Phase
from db.files.file_store import FileStore
from db.schema.migration import migrate
from db.spec.prune_spec import PruneSpec
from tools.upgrade_folders import (
    ARCHIVE,
    CODE,
    CONTENTS,
    FINISHED,
    FOLDERS,
    HALF_DONE,
    code_digest,
    this_version,
)
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources
from worker.pruning.base.generators import mapped
from worker.settings import WorkerSettings

DATA, MODELS = "data", "models"
"""The data folder, and the folder of models that jobs may read, in the archive."""
MODEL = RandomLlama(blocks=4, width=16, intermediate=32, heads=2, vocabulary=256)
TEXT = "".join(f"Line {number} has {number * number % 97} words.\n" for number in range(50))
SMALL = {"samples": 8, "seq_len": 32, "eval_samples": 2, "dtype": "float32"}
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])  # the libraries are loaded once for all jobs


@dataclass(frozen=True)
class HalfDoneJob:
    """A job, and when its worker is killed: at the n-th progress that it reports of a phase."""

    fields: Mapping[str, Any]
    phase: Phase
    count: int


KILLED = {
    "engine": HalfDoneJob({"method": "wanda", "solver": "sparsegpt"}, Phase.pruning, 3),
    "refine": HalfDoneJob({"refine": {"steps": 8}}, Phase.pruning, 13),
    "recover": HalfDoneJob({"recover": {"kind": "masked", "tokens": 6144}}, Phase.recovering, 12),
}


class NoBroker:
    """The queue of a service without a broker: jobs stay in the database."""

    def push(self, *_: object) -> bool:
        return False

    def workers(self, *_: object) -> list[str]:
        return []

    def close(self) -> None: ...


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # as in `make test`, where the jobs then resume
    folder = FOLDERS / this_version()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="zpruner-upgrade-data-") as root:
        contents = write_folder(Path(root))
        (folder / ARCHIVE).write_bytes(packed(Path(root)))
    (folder / CONTENTS).write_text(json.dumps(contents, indent=1, sort_keys=True) + "\n")
    print(f"wrote {folder} ({(folder / ARCHIVE).stat().st_size} bytes)")


def settings_in(root: Path) -> dict[str, Any]:
    """Return the settings of a service whose folders are below ``root``."""
    roots = {"data_dir": root / DATA, "model_roots": (root / MODELS,)}
    return {"device": "cpu"} | roots


def write_folder(root: Path) -> dict[str, Any]:
    """Write the data folder and the model below ``root``; return the archive's contents."""
    MODEL.write(root / MODELS / "tiny")
    settings = ApiSettings.model_validate(settings_in(root))
    (root / DATA).mkdir(mode=0o700)
    migrate(settings.database)
    with TestClient(create_app(settings, NoBroker()), base_url="http://127.0.0.1") as client:
        headers = {"content-type": "text/plain"}
        text = client.post("/v1/datasets", content=TEXT.encode(), headers=headers).json()
        same = {"model": "local:tiny", "sparsity": 0.5, "dataset": text["dataset"]} | SMALL
        finished = _submit(client, same | {"name": FINISHED, "eval_dataset": text["dataset"]})
        ids = {
            name: _submit(client, same | {"name": name, **job.fields})
            for name, job in KILLED.items()
        }
        _run_in_process(root, finished, None)
        served = served_by(client, finished)
    if served["status"] != JobState.succeeded:
        raise SystemExit(f"the job that should finish has the status {served['status']}")
    for name, job in KILLED.items():
        _run_in_process(root, ids[name], job)
    return {FINISHED: served, HALF_DONE: sorted(ids), CODE: code_digest()}


def served_by(client: TestClient, job_id: str) -> dict[str, Any]:
    """Return what an API says of a job that should stay as it is in later versions."""
    job = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
    files = client.get(f"/v1/jobs/{job_id}/artifacts").raise_for_status().json()["data"]
    blocks = client.get(f"/v1/jobs/{job_id}/blocks").raise_for_status().json()["data"]
    kept = ("id", "name", "status", "attempt", "created_at", "finished_at", "result")
    return {name: job[name] for name in kept} | {
        "blocks": [[one["name"], one["data"]["sparsity"]] for one in blocks],
        "files": {one["name"]: [one["id"], one["size_bytes"], one["sha256"]] for one in files},
    }


def _submit(client: TestClient, body: Mapping[str, Any]) -> str:
    response = client.post("/v1/jobs", json=body)
    if response.is_error:
        raise SystemExit(f"the job was refused: {response.text}")
    return str(response.json()["id"])


def _run_in_process(root: Path, job_id: str, killed: HalfDoneJob | None) -> None:
    process = _PROCESSES.Process(target=run_job, args=(root, job_id, killed))
    process.start()
    process.join()
    expected = 0 if killed is None else -signal.SIGKILL
    if process.exitcode != expected:
        raise SystemExit(f"the worker of {job_id} ended with {process.exitcode}, not {expected}")


def run_job(root: Path, job_id: str, killed: HalfDoneJob | None) -> None:
    """Run a job as a worker does; kill this process in the middle of it if ``killed`` is given."""
    settings = WorkerSettings.model_validate(settings_in(root))
    left = -1 if killed is None else killed.count

    def count(step: JobProgress) -> list[JobProgress]:
        nonlocal left
        left -= killed is not None and step.phase is killed.phase
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return [step]

    def watched(
        spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        return mapped(prune(spec, out, resources), count)

    sessions = open_sessions(settings.database)
    worker = f"{os.uname().nodename}/{os.getpid()}"
    Runner(sessions, FileStore(settings.artifact_dir), watched, settings, worker=worker).run(job_id)


def packed(root: Path) -> bytes:
    """Return a compressed archive of a folder, without the names of this machine's users."""

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz", preset=9) as archive:
        for name in (DATA, MODELS):
            archive.add(root / name, name, filter=anonymous)
    return content.getvalue()


if __name__ == "__main__":
    main()
