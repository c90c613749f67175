"""Requests made up from the OpenAPI document, against the running application."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from tests.api.live import serving
from tests.api.work import finish_job
from tests.factories import make_job
from tests.fakes import ListQueue

PROGRAM = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.process
def test_every_answer_is_as_the_document_says(
    settings: ApiSettings,
    queue: ListQueue,
    sessions: Sessions,
    store: ArtifactStore,
    tmp_path: Path,
) -> None:
    make_job(sessions)
    make_job(sessions, status=JobState.failed, attempt=1)
    finish_job(sessions, store)
    unlimited = settings.model_copy(update={"rate_limit_per_minute": 0})
    app = create_app(unlimited, queue)
    # The program would wait ten seconds for it, in which a busy machine may not have made it.
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(app.openapi()))
    with serving(app) as url:
        command = [str(PROGRAM), "--config-file", str(CONFIG), "run", str(document), "--url", url]
        done = subprocess.run(
            [*command, "--generation-database", "none"],
            cwd=tmp_path,
            text=True,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    assert "Server error" not in done.stdout
