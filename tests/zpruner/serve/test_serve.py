"""The preconditions of `zpruner serve`, and the parts that it starts."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from db.core.session import Sessions
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.startup.fork_requests import connected
from db.startup.lease_holders import lease_holder
from db.tables.access import AccessScope
from db.tables.jobs import Job
from demo.service import free_port
from tests.factories import make_job, make_key
from tests.waiting import DEADLINE_S
from zpruner.serve.embedded_broker import BrokerError, broker_command, find_server
from zpruner.serve.preconditions import ServeError, listening, locked, release_leases, require_admin
from zpruner.serve.serve import ServeSettings, children, not_ready_reason


def settings(**fields: object) -> ServeSettings:
    return ServeSettings.model_validate({"_env_file": None} | fields)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_requires_no_key_unless_keys_are_enabled(host: str) -> None:
    require_admin(settings(host=host))
    assert settings(host=host, auth="keys").needs_keys


@pytest.mark.parametrize("fields", [{"host": "0.0.0.0"}, {"host": "::"}, {"auth": "keys"}])
def test_where_keys_are_required_an_admin_key_must_exist(
    fields: dict[str, str], database_url: str, sessions: Sessions
) -> None:
    wide = settings(database_url=database_url, **fields)
    make_key(sessions, AccessScope.jobs_read)
    with pytest.raises(ServeError, match="keys bootstrap") as refused:
        require_admin(wide)
    assert "ZPRUNER_AUTH=none" in str(refused.value)
    make_key(sessions, AccessScope.admin)
    require_admin(wide)
    require_admin(settings(host="0.0.0.0", auth="none"))


def serve(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")}
    env |= {"ZPRUNER_DATA_DIR": str(folder)} | variables
    command = [sys.executable, "-P", "-m", "zpruner", "serve"]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True)


def test_the_command_refuses_before_it_starts_anything(tmp_path: Path) -> None:
    done = serve(tmp_path, ZPRUNER_HOST="0.0.0.0", ZPRUNER_PORT=str(free_port()))
    assert (done.returncode, done.stdout) == (2, "")
    assert "zpruner keys bootstrap" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["serve.lock", "zpruner.db"]


def test_each_process_of_the_api_gets_a_number_the_sockets_and_a_heartbeat(tmp_path: Path) -> None:
    several = settings(api_workers=3, beat_every_s=10)
    _, _, *processes = children(several, [7, 8], "ours", tmp_path)
    assert [one.name for one in processes] == ["api 1", "api 2", "api 3"]
    for number, child in enumerate(processes, 1):
        assert (child.env["ZPRUNER_LISTENING"], child.fds) == ("7,8", [7, 8])
        assert child.env["ZPRUNER_API_PROCESS"] == str(number)
        assert child.env["ZPRUNER_API_SHARED_DIR"] == str(tmp_path)
        assert child.env["ZPRUNER_INSTANCE"] == "ours"
        assert child.silent_after_s == 30


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent adopt")
def test_only_the_worker_and_control_get_a_socket_to_each_other() -> None:
    with connected() as (one, other):
        worker, control, api = children(settings(), fork_requests=(one, other))
        for child, end in ((worker, one), (control, other)):
            assert child.fds == [end.fileno()]
            assert child.env["SUPERVISOR_FORKS_FD"] == str(end.fileno())
        assert "SUPERVISOR_FORKS_FD" not in api.env


def test_a_single_process_of_the_api_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPRUNER_API_WORKERS", "4")  # --api-workers takes precedence
    *_, api = children(settings(api_workers=1))
    assert (api.name, api.env["ZPRUNER_API_WORKERS"]) == ("api", "1")
    assert not {"ZPRUNER_API_PROCESS", "ZPRUNER_API_SHARED_DIR"} & api.env.keys()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_port_in_use_is_refused(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServeError, match=r"in use.*ZPRUNER_PORT"), listening(host, port):
            pass
    with listening(host, port):
        pass


def test_a_second_service_on_the_same_port_is_refused_while_the_first_runs() -> None:
    port = free_port()
    with listening("127.0.0.1", port) as sockets:
        # The API of the first has not started yet, or was killed.
        with pytest.raises(ServeError, match="in use"), listening("0.0.0.0", port):
            pass
        with pytest.raises(ServeError, match="in use"), listening("127.0.0.1", port):
            pass
        assert [one.getsockname() for one in sockets] == [("127.0.0.1", port)]


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ServeError, match=f"cannot listen on {host}"), listening(host, 8000):
        pass


def test_the_api_of_another_service_is_not_mistaken_for_ours() -> None:
    with responding(HTTPStatus.OK, {"zpruner-instance": "ours"}) as api:
        assert not_ready_reason(api, "ours") is None
        assert not_ready_reason(api, "theirs") == "another service responds at this address"
    with responding(HTTPStatus.OK, {}) as api:
        assert not_ready_reason(api, "ours") == "another service responds at this address"


def test_the_part_that_a_service_still_waits_for_is_named() -> None:
    missing = b'{"detail": "No worker that takes jobs responds."}'
    headers = {"zpruner-instance": "ours"}
    with responding(HTTPStatus.SERVICE_UNAVAILABLE, headers, missing) as api:
        assert "No worker that takes jobs responds." in str(not_ready_reason(api, "ours"))
    with httpx.Client(base_url=str(api.base_url)) as silent:
        assert "does not respond" in str(not_ready_reason(silent, "ours"))


@contextmanager
def responding(
    status: HTTPStatus, headers: dict[str, str], body: bytes = b""
) -> Iterator[httpx.Client]:
    """Give every request of the client the same response."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for item in headers.items():
                self.send_header(*item)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with httpx.Client(base_url=url, timeout=DEADLINE_S) as client:
            yield client
        server.shutdown()
        thread.join()


HOST = socket.gethostname()


def test_the_leases_of_killed_workers_are_released_once_all_have_ended(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    ours, elsewhere = make_job(sessions), make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(ours.id, f"{HOST}/1")
        ClaimRepository(session).claim(elsewhere.id, f"{HOST}-2/1")
    wide = settings(data_dir=tmp_path, database_url=database_url)
    with lease_holder(tmp_path):
        release_leases(wide, dead_within_s=0)
        assert states(sessions, ours, elsewhere) == ["running", "running"]
    release_leases(wide, dead_within_s=0)
    assert states(sessions, ours, elsewhere) == ["queued", "running"]


def states(sessions: Sessions, *jobs: Job) -> list[str]:
    with sessions() as session:
        return [JobRepository(session).get(job.id).status.value for job in jobs]


def test_two_services_never_share_a_data_folder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ServeError, match="ZPRUNER_DATA_DIR"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_the_bundled_broker_runs() -> None:
    done = subprocess.run([find_server(), "--version"], capture_output=True, text=True, check=True)
    assert "server" in done.stdout


def test_a_path_too_long_for_a_socket_is_refused_with_the_setting_to_change(
    tmp_path: Path,
) -> None:
    with pytest.raises(BrokerError, match="ZPRUNER_DATA_DIR"):
        broker_command(tmp_path / ("deep" * 30))


def test_the_worker_consumes_the_configured_queues() -> None:
    worker, *others = children(settings(queues="h100, gpu", log_format="json"))
    command = list(worker.command)
    assert command[command.index("-Q") + 1] == "h100,gpu"
    for child in (worker, *others):
        values = (child.env["ZPRUNER_QUEUES"], child.env["ZPRUNER_LOG_FORMAT"])
        assert values == ("h100,gpu", "json")
