"""What `zpruner serve` refuses, and what it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from db.access import AccessScope
from db.session import Sessions
from tests.factories import make_key
from zpruner.broker import BrokerError, broker_command, find_server
from zpruner.serve import ServeError, ServeSettings, children, locked, require_admin


def settings(**fields: object) -> ServeSettings:
    return ServeSettings.model_validate({"_env_file": None} | fields)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_key_unless_keys_are_asked_for(host: str) -> None:
    require_admin(settings(host=host))
    assert settings(host=host, auth="keys").needs_keys


@pytest.mark.parametrize("fields", [{"host": "0.0.0.0"}, {"host": "::"}, {"auth": "keys"}])
def test_where_keys_are_needed_one_must_be_there_that_can_make_others(
    fields: dict[str, str], database_url: str, sessions: Sessions
) -> None:
    wide = settings(database_url=database_url, **fields)
    make_key(sessions, AccessScope.jobs_read)
    with pytest.raises(ServeError, match="keys create") as refused:
        require_admin(wide)
    assert "ZPRUNER_AUTH=none" in str(refused.value)
    make_key(sessions, AccessScope.admin)
    require_admin(wide)
    require_admin(settings(host="0.0.0.0", auth="none"))


def test_the_command_refuses_before_it_starts_anything(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")}
    env |= {"ZPRUNER_DATA_DIR": str(tmp_path), "ZPRUNER_HOST": "0.0.0.0"}
    command = [sys.executable, "-m", "zpruner.serve"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "python -m db.keys create" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["serve.lock", "zpruner.db"]


def test_two_services_never_share_a_data_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ServeError, match="ZPRUNER_DATA_DIR"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_the_bundled_broker_is_a_server_that_runs() -> None:
    answer = subprocess.run(
        [find_server(), "--version"], capture_output=True, text=True, check=True
    )
    assert "server" in answer.stdout


def test_a_folder_too_deep_for_a_socket_is_refused_with_the_setting_to_change(
    tmp_path: Path,
) -> None:
    with pytest.raises(BrokerError, match="ZPRUNER_DATA_DIR"):
        broker_command(tmp_path / ("deep" * 30))


def test_the_worker_takes_jobs_from_the_queues_that_are_set() -> None:
    worker, *others = children(settings(queues="h100, gpu", log_format="json"))
    command = list(worker.command)
    assert command[command.index("-Q") + 1] == "h100,gpu"
    for child in (worker, *others):
        told = (child.env["ZPRUNER_QUEUES"], child.env["ZPRUNER_LOG_FORMAT"])
        assert told == ("h100,gpu", "json")
