"""What `zpruner serve` refuses, and what it starts."""

import subprocess
from pathlib import Path

import pytest

from zpruner.broker import BrokerError, broker_command, find_server
from zpruner.serve import ServeError, ServeSettings, children, locked, refuse_open_doors


def settings(**fields: object) -> ServeSettings:
    return ServeSettings.model_validate(fields)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_decision(host: str) -> None:
    refuse_open_doors(settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_any_other_address_is_refused_until_someone_decides(host: str) -> None:
    with pytest.raises(ServeError, match="ZPRUNER_AUTH=none"):
        refuse_open_doors(settings(host=host))
    refuse_open_doors(settings(host=host, auth="none"))


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
