"""Runs the recipes of the documentation: MLflow, a quality gate in CI, backup and restore."""

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.embedded import TINY, Service, serving
from tests.recipes import bash, blocks, environment
from tests.waiting import DEADLINE_S
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
class RecipeRunner:
    """A service, a working folder with a model registry, and the variables of the recipes."""

    service: Service
    folder: Path
    variables: dict[str, str]

    def run(self, commands: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return bash(commands, self.folder, **self.variables | variables)


def python(code: str) -> str:
    return f"python - <<'END'\n{code}\nEND"


def steps() -> list[str]:
    """Return the commands of the workflow in docs/ci.md, without the installation."""
    (workflow,) = blocks("ci.md", "GitHub Actions", "yaml")
    jobs = yaml.safe_load(workflow)["jobs"]
    return [step["run"] for step in jobs["prune"]["steps"] if "run" in step][1:]


def digests(folder: Path) -> str:
    """Return the list of digests of a downloaded folder, whose files were verified."""
    return (folder / "SHA256SUMS").read_text()


@pytest.fixture(scope="module")
def runner(
    shared_service: Service, inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> RecipeRunner:
    folder = tmp_path_factory.mktemp("runner")
    TINY.write(folder / "logged" / "model")
    tokenizer = folder / "logged" / "components" / "tokenizer"
    tokenizer.mkdir(parents=True)
    (folder / "logged" / "model" / "tokenizer.json").rename(tokenizer / "tokenizer.json")
    variables = {
        "ZPRUNER_URL": shared_service.url,
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "NAME": "tiny",
        "VERSION": "1",
        "MODELS": str(inputs),
        "PRUNING": PRUNING,
        "MAX_RATIO": "1000",
    }
    return RecipeRunner(shared_service, folder, variables)


@pytest.fixture(scope="module")
def job(runner: RecipeRunner) -> dict[str, Any]:
    """A job whose model comes from the registry."""
    (fetch,) = blocks("mlflow.md", "From the registry to a folder")
    (prune,) = blocks("mlflow.md", "Prune it")
    done = runner.run("\n".join([python(REGISTER), fetch, prune]))
    assert done.returncode == 0, done.stderr
    response: dict[str, Any] = json.loads((runner.folder / "job.json").read_text())
    return response


def test_pruning_a_model_of_the_mlflow_registry_adds_a_version(
    runner: RecipeRunner, job: dict[str, Any]
) -> None:
    (register,) = blocks("mlflow.md", "Back into the registry", "python")
    done = runner.run(python(register))
    assert (done.returncode, done.stdout.strip()) == (0, "2"), done.stderr

    (kept,) = runner.folder.glob("mlruns/*/*/artifacts/model/SHA256SUMS")
    assert runner.run(f"cd {kept.parent} && sha256sum --strict -c SHA256SUMS").returncode == 0
    assert (job["status"], job["spec"]["model"]) == ("succeeded", "local:tiny-1")


def test_a_workflow_continues_if_the_gate_passes(runner: RecipeRunner, job: dict[str, Any]) -> None:
    # The same fields: the finished job is reused.
    settings = {"MODEL": "local:tiny-1", "PRUNING": f"{PRUNING} --reuse"}
    (runner.folder / "pruned").rename(runner.folder / "of-mlflow")
    for step in steps():
        done = runner.run(step, GITHUB_RUN_ID="1", GITHUB_RUN_ATTEMPT="1", **settings)
        assert done.returncode == 0, done.stderr
    assert json.loads((runner.folder / "job.json").read_text())["id"] == job["id"]
    assert digests(runner.folder / "pruned") == digests(runner.folder / "of-mlflow")


def test_a_service_restored_from_a_backup_has_its_files_and_finishes_its_jobs(
    runner: RecipeRunner,
    job: dict[str, Any],
    inputs: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    backup, data = runner.folder / "backup", tmp_path_factory.mktemp("d")
    key = runner.service.data_dir / "secrets.key"
    gate, _ = steps()
    settings = {"MODEL": "local:tiny-1", "MAX_RATIO": "0.001", "BACKUP": str(backup)}
    settings |= {"KEY": str(key), "GITHUB_RUN_ID": "2", "GITHUB_RUN_ATTEMPT": "1"}
    (save,), (restore,) = blocks("upgrades.md", "Back up"), blocks("upgrades.md", "Restore")
    with submitting(runner, gate, settings) as submitted:
        done = runner.run(save, ZPRUNER_DATA_DIR=str(runner.service.data_dir), **settings)
        assert done.returncode == 0, done.stderr

    done = runner.run(restore, ZPRUNER_DATA_DIR=str(data), **settings)
    assert done.returncode == 0, done.stderr
    with serving(data, inputs) as restored:
        settings["ZPRUNER_URL"] = restored.url
        done = runner.run(gate, **settings)  # the same run of the workflow uses the same job
        assert done.returncode == 3, done.stderr
        ended = json.loads((runner.folder / "job.json").read_text())
        assert (ended["id"], ended["verdict"]) == (submitted, "fail")
        done = runner.run(f"zpruner download {job['id']} restored", **settings)
        assert done.returncode == 0, done.stderr
    assert digests(runner.folder / "restored") == digests(runner.folder / "pruned")


class submitting:  # noqa: N801 - a context manager, named like a function
    """Run a step that waits for its job, until the block ends; yield the job's id."""

    def __init__(self, runner: RecipeRunner, step: str, settings: dict[str, str]) -> None:
        self._runner = runner
        with Client(runner.service.url) as client:
            self._newest = client.jobs.list(limit=1)[0].id
        self._step = subprocess.Popen(
            ["bash", "-ec", step],
            cwd=runner.folder,
            env=environment(runner.variables | settings),
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> str:
        deadline = time.monotonic() + DEADLINE_S
        with Client(self._runner.service.url) as client:
            while (newest := client.jobs.list(limit=1)[0].id) == self._newest:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        return newest

    def __exit__(self, *_: object) -> None:
        os.killpg(self._step.pid, signal.SIGKILL)
        self._step.wait()
