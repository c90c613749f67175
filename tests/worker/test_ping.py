"""The check of containers, as far as it needs no worker; tests/e2e pings real ones."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from db.core.session import Sessions
from db.scheduling.control_heartbeat import CONTROL, HeartbeatRepository
from db.startup.connection_settings import ConnectionSettings
from db.tables.heartbeats import Heartbeat
from worker.ping import control_is_alive


def test_control_is_alive_while_its_last_heartbeat_is_recent(
    sessions: Sessions, database_url: str
) -> None:
    settings = ConnectionSettings(database_url=SecretStr(database_url))
    assert not control_is_alive(settings)
    with sessions.begin() as session:
        HeartbeatRepository(session).record()
    assert control_is_alive(settings)
    with sessions.begin() as session:
        beat = session.get_one(Heartbeat, CONTROL)
        beat.at -= settings.heartbeat_timeout + timedelta(seconds=1)
    assert not control_is_alive(settings)


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "refusal", "unneeded"),
    [
        ("control", "ping: the database reported an error", {"celery", "kombu", "redis"}),
        ("gpu", "ping: the broker does not respond", {"celery", "sqlalchemy"}),
    ],
)
def test_a_ping_imports_only_what_it_checks_with(
    name: str, refusal: str, unneeded: set[str], tmp_path: Path
) -> None:
    """With the start of the command line, which the ping replaces."""
    command = [sys.executable, "-P", "-m", "zpruner", "part", "ping", name]
    environment = {"ZPRUNER_DATA_DIR": str(tmp_path), "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert refusal in done.stderr
    assert done.returncode == 2
    imported = set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "db.startup.connection_settings" in imported
    heavy = {"httpx", "numpy", "rich", "torch", "transformers", "typer"}
    ours = {"db.startup.settings", "db.tables.jobs", "worker.settings", "worker.tasks"}
    assert not imported & (unneeded | heavy | ours)
