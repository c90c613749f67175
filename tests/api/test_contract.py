"""Requests made up from the OpenAPI document, against the running application."""

import subprocess
import sys
from pathlib import Path

from fastapi import FastAPI

from db.session import Sessions
from db.states import JobState
from db.store import ArtifactStore
from tests.api.live import serving
from tests.api.work import finish_job
from tests.factories import make_job

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 10  # of each operation and phase


def test_every_answer_is_as_the_document_says(
    app: FastAPI, sessions: Sessions, store: ArtifactStore, tmp_path: Path
) -> None:
    make_job(sessions)
    make_job(sessions, status=JobState.failed, attempt=1)
    finish_job(sessions, store)
    with serving(app) as url:
        command = [str(PROGRAM), "--config-file", str(CONFIG), "run", f"{url}/openapi.json"]
        done = subprocess.run(
            [*command, "--max-examples", str(EXAMPLES), "--generation-database", "none"],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert "Server error" not in done.stdout
