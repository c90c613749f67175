"""The recipes of the documentation, run as they stand: MLflow, a gate in CI, backup and restore."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.embedded import TINY, Service, serving
from tests.recipes import bash, blocks, environment
from zpruner import Client

pytestmark = pytest.mark.e2e

PRUNING = "--sparsity 0.5 --dataset local:text.txt --seq-len 128 --samples 4 --eval-samples 8"
REGISTER = """
import mlflow
with mlflow.start_run() as run:
    mlflow.log_artifacts("logged", "model")
client = mlflow.MlflowClient()
client.create_registered_model("tiny")
client.create_model_version("tiny", f"{run.info.artifact_uri}/model", run.info.run_id)
"""


@dataclass(frozen=True)
class Shop:
    """A service, a folder to work in with a registry of models, and what the recipes are told."""

    service: Service
    folder: Path
    variables: dict[str, str]

    def run(self, commands: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return bash(commands, self.folder, **self.variables | variables)


def python(code: str) -> str:
    return f"python - <<'END'\n{code}\nEND"


def steps() -> list[str]:
    """Return what the workflow in docs/ci.md runs, but for the installation."""
    (workflow,) = blocks("ci.md", "GitHub Actions", "yaml")
    jobs = yaml.safe_load(workflow)["jobs"]
    return [step["run"] for step in jobs["prune"]["steps"] if "run" in step][1:]


def digests(folder: Path) -> str:
    """Return what a downloaded folder says of its files; each download was checked."""
    return (folder / "SHA256SUMS").read_text()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Iterator[Shop]:
    folder, data = tmp_path_factory.mktemp("shop"), tmp_path_factory.mktemp("d")
    models = folder / "models"
    models.mkdir()
    TINY.write(folder / "logged" / "model")
    tokenizer = folder / "logged" / "components" / "tokenizer"
    tokenizer.mkdir(parents=True)
    (folder / "logged" / "model" / "tokenizer.json").rename(tokenizer / "tokenizer.json")
    settings = {"ZPRUNER_MODEL_ROOTS": str(models), "ZPRUNER_LEASE_S": "4"}
    with serving(data, inputs, **settings) as service:
        variables = {
            "ZPRUNER_URL": service.url,
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "NAME": "tiny",
            "VERSION": "1",
            "MODELS": str(models),
            "PRUNING": PRUNING,
            "MAX_RATIO": "1000",
        }
        yield Shop(service, folder, variables)


@pytest.fixture(scope="module")
def job(shop: Shop) -> dict[str, Any]:
    """The job of a model that comes from the registry."""
    (fetch,) = blocks("mlflow.md", "From the registry to a folder")
    (prune,) = blocks("mlflow.md", "Prune it")
    done = shop.run("\n".join([python(REGISTER), fetch, prune]))
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads((shop.folder / "job.json").read_text())
    return told


def test_a_model_of_mlflows_registry_becomes_its_next_version(
    shop: Shop, job: dict[str, Any]
) -> None:
    (register,) = blocks("mlflow.md", "Back into the registry", "python")
    done = shop.run(python(register))
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr

    (kept,) = shop.folder.glob("mlruns/*/*/artifacts/model/SHA256SUMS")
    assert shop.run(f"cd {kept.parent} && sha256sum --strict -c SHA256SUMS").returncode == 0
    assert (job["status"], job["spec"]["model"]) == ("succeeded", "local:tiny-1")


def test_a_workflow_goes_on_where_the_gate_is_passed(shop: Shop, job: dict[str, Any]) -> None:
    # The same fields: the job that is done already is taken.
    told = {"MODEL": "local:tiny-1", "PRUNING": f"{PRUNING} --reuse"}
    (shop.folder / "pruned").rename(shop.folder / "of-mlflow")
    for step in steps():
        done = shop.run(step, GITHUB_RUN_ID="1", GITHUB_RUN_ATTEMPT="1", **told)
        assert done.returncode == 0, done.stderr
    assert json.loads((shop.folder / "job.json").read_text())["id"] == job["id"]
    assert digests(shop.folder / "pruned") == digests(shop.folder / "of-mlflow")


def test_a_backup_of_a_running_service_brings_back_its_files_and_finishes_its_jobs(
    shop: Shop, job: dict[str, Any], inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backup, data = shop.folder / "backup", tmp_path_factory.mktemp("d")
    gate, _ = steps()
    told = {"MODEL": "local:tiny-1", "MAX_RATIO": "0.001", "BACKUP": str(backup)}
    told |= {"GITHUB_RUN_ID": "2", "GITHUB_RUN_ATTEMPT": "1"}
    (save,), (restore,) = blocks("upgrades.md", "Back up"), blocks("upgrades.md", "Restore")
    with submitting(shop, gate, told) as submitted:
        done = shop.run(save, ZPRUNER_DATA_DIR=str(shop.service.data_dir), **told)
        assert done.returncode == 0, done.stderr
    shop.service.stop()

    done = shop.run(restore, ZPRUNER_DATA_DIR=str(data), **told)
    assert done.returncode == 0, done.stderr
    roots = {"ZPRUNER_MODEL_ROOTS": str(shop.folder / "models"), "ZPRUNER_LEASE_S": "4"}
    with serving(data, inputs, **roots) as restored:
        told["ZPRUNER_URL"] = restored.url
        done = shop.run(gate, **told)  # the same run of the workflow: the same job
        assert done.returncode == 3, done.stderr
        ended = json.loads((shop.folder / "job.json").read_text())
        assert (ended["id"], ended["verdict"]) == (submitted, "fail")
        done = shop.run(f"zpruner download {job['id']} restored", **told)
        assert done.returncode == 0, done.stderr
    assert digests(shop.folder / "restored") == digests(shop.folder / "pruned")


class submitting:  # noqa: N801 - a context manager is written like a function
    """Run a step that waits for its job until the block ends; give the job's id."""

    def __init__(self, shop: Shop, step: str, told: dict[str, str]) -> None:
        self._shop = shop
        self._step = subprocess.Popen(
            ["bash", "-ec", step],
            cwd=shop.folder,
            env=environment(shop.variables | told),
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> str:
        deadline = time.monotonic() + 30
        with Client(self._shop.service.url) as client:
            while len(jobs := client.jobs.list()) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        return jobs[0].id

    def __exit__(self, *_: object) -> None:
        os.killpg(self._step.pid, signal.SIGKILL)
        self._step.wait()
