"""The checks of settings and machine by `zpruner serve` and `zpruner doctor`."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

from tests.bucket_server import credentials
from zpruner.serve.doctor import EXTRAS

BARE = {name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")}


def run(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    given = {f"ZPRUNER_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "zpruner", *words],
        env=BARE | {"ZPRUNER_DATA_DIR": str(folder / "data")} | given,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


def refused_settings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the settings that the lines begin with."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    lines = done.stderr.splitlines()
    assert all(line.startswith("zpruner serve: ZPRUNER_") for line in lines), done.stderr
    return [line.removeprefix("zpruner serve: ").split("=")[0].split()[0] for line in lines]


def test_serve_checks_the_settings_of_all_parts_before_it_starts_any(tmp_path: Path) -> None:
    (data := tmp_path / "data").mkdir()
    in_file = ("ZPRUNER_API_WORKERS=0", "ZPRUNER_BEAT_EVERY_S=-5", "ZPRUNER_PORT=70000")
    (data / ".env").write_text("".join(f"{line}\n" for line in in_file))
    done = run(
        tmp_path,
        "serve",
        LEASE_S="abc",  # of the worker
        DEVICE="foo",
        MAX_BODY_BYTES="0",  # of the API
        DATABASE_URL="mysql://u:secret@h/x",
        LEASE="60",
    )
    names = "API_WORKERS BEAT_EVERY_S DATABASE_URL DEVICE LEASE LEASE_S MAX_BODY_BYTES PORT"
    assert sorted(refused_settings(done)) == [f"ZPRUNER_{name}" for name in names.split()]
    for line in in_file:
        [report] = [one for one in done.stderr.splitlines() if f"{line}: Input should be" in one]
        assert "Correct it" in report
    assert "Did you mean ZPRUNER_LEASE_S?" in done.stderr
    assert "secret" not in done.stderr
    assert [path.name for path in data.iterdir()] == [".env"]


def test_serve_checks_the_machine_before_it_starts_anything(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    done = run(
        tmp_path,
        "serve",
        DEVICE="cuda:99",
        MODEL_ROOTS=str(tmp_path / "models"),
        DATABASE_URL="postgresql+psycopg://u:secret@127.0.0.1:1/x",
        BROKER_URL="redis://:secret@127.0.0.1:1/0",
    )
    names = "BROKER_URL DATABASE_URL DATA_DIR DEVICE MODEL_ROOTS"
    assert sorted(refused_settings(done)) == [f"ZPRUNER_{name}" for name in names.split()]
    assert "CUDA devices. Set auto or cpu" in done.stderr
    assert "secret" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_doctor_reports_what_works_and_creates_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", DEVICE="cpu", MODEL_ROOTS=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    for subject in ("python", "[worker]", "database", "broker", "disk", "device", "torch", "model"):
        assert rows[subject] == "ok"
    assert {"cuda", "bfloat16", "hub", "dashboard"} < rows.keys()
    assert {"[eval]", "[llama]", "[training]"} < rows.keys()
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_knows_every_extra_that_a_user_can_install() -> None:
    shared_by_the_parts = {"service"}
    extras = metadata("zpruner").get_all("Provides-Extra")
    assert extras is not None
    assert EXTRAS.keys() | shared_by_the_parts == set(extras)


def test_the_doctors_json_lists_everything_that_is_wrong_and_the_data_folder_stays_as_it_is(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    (data := tmp_path / "data").mkdir(mode=0o750)
    shutil.copy(migrated_sqlite, data / "zpruner.db")
    before = [(path.name, path.stat().st_mode, path.read_bytes()) for path in data.iterdir()]
    done = run(tmp_path, "doctor", "--json", MAX_BODY_BYTES="0", DATASET_ROOTS="/no/such/folder")
    report = json.loads(done.stdout)
    wrong = [one["text"].partition(":")[0] for one in report["checks"] if one["state"] == "wrong"]
    assert sorted(wrong) == ["ZPRUNER_DATASET_ROOTS=/no/such/folder", "ZPRUNER_MAX_BODY_BYTES=0"]
    assert (done.returncode, report["ok"]) == (2, False)
    assert before == [
        (path.name, path.stat().st_mode, path.read_bytes()) for path in data.iterdir()
    ]
    assert data.stat().st_mode & 0o777 == 0o750
    assert list(tmp_path.iterdir()) == [data]


def test_serve_and_the_doctor_test_the_bucket_with_the_variables_of_the_named_file(
    tmp_path: Path,
) -> None:
    variables = credentials("http://127.0.0.1:9")
    (tmp_path / ".env").write_text("".join(f"{name}={one}\n" for name, one in variables.items()))
    # With an invalid setting of the worker, which is checked apart, torch is not imported.
    ignored = run(tmp_path, "doctor", ARTIFACT_URL="s3://models", LEASE_S="0")
    assert "ZPRUNER_LEASE_S=0" in ignored.stdout
    assert "http://127.0.0.1:9" not in ignored.stdout
    [line] = ignored.stderr.splitlines()
    assert line.startswith(f"zpruner doctor: {tmp_path / '.env'} is not used (")
    away = run(tmp_path, "doctor", "--env-file", ".env", ARTIFACT_URL="s3://models")
    assert (away.returncode, away.stderr) == (2, "")
    [line] = [one for one in away.stdout.splitlines() if " artifacts " in one]
    assert line.startswith(
        "WRONG  artifacts      ZPRUNER_ARTIFACT_URL=s3://models cannot be written"
    )
    assert "http://127.0.0.1:9" in line
    (tmp_path / ".env").write_text("AWS_ENDPOINT_URL=http://127.0.0.1:9\n")
    refused = run(tmp_path, "serve", "--env-file", ".env", ARTIFACT_URL="s3://models")
    assert (refused.returncode, "AWS_ALLOW_HTTP=true" in refused.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == [".env"]
