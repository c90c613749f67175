"""The client of the broker, on a real server, and the time that it takes without one."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from api.services import broker
from api.services.broker import Broker
from db.core.broker_names import PRUNE_TASK
from tests.api.services.broker import running
from tests.waiting import DEADLINE_S


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose path is short enough for the socket of a broker, which may respond late."""
    monkeypatch.setitem(broker.CONNECTION_LIMITS, "socket_timeout", DEADLINE_S)
    with TemporaryDirectory(prefix="zpr") as folder:
        yield Path(folder)


def test_a_push_is_one_message_that_holds_only_the_job_id(folder: Path) -> None:
    with running(folder) as server:
        queue = Broker(f"redis+socket://{folder}/broker.sock")
        assert queue.push("job_1")
        assert queue.push("job_2")

        bodies = []
        while (popped := server.rpop("gpu")) is not None:
            assert isinstance(popped, bytes)
            message = json.loads(popped)
            assert message["headers"]["task"] == PRUNE_TASK
            bodies.append(json.loads(base64.b64decode(message["body"]))[:2])
        queue.close()
    assert bodies == [[[], {"job_id": "job_1"}], [[], {"job_id": "job_2"}]]


def test_listing_workers_without_workers_leaves_nothing_behind(folder: Path) -> None:
    with running(folder) as server:
        queue = Broker(f"redis+socket://{folder}/broker.sock")
        for _ in range(2):
            assert queue.workers(expected=1) == []
        left = [key for key in server.scan_iter() if b"reply" in key and server.exists(key)]
        queue.close()
    assert left == []


def test_without_a_broker_a_push_fails_at_once_and_the_next_one_is_not_tried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "PAUSE_AFTER_FAILURE", broker.PAUSE_AFTER_FAILURE * 100)
    queue = Broker(f"redis+socket://{folder}/broker.sock")
    assert not queue.push("job_1")
    with running(folder):
        assert not queue.push("job_2")
    queue.close()


def test_a_broker_that_recovers_is_used_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "PAUSE_AFTER_FAILURE", broker.PAUSE_AFTER_FAILURE * 0)
    queue = Broker(f"redis+socket://{folder}/broker.sock")
    assert not queue.push("job_1")
    with running(folder) as server:
        assert queue.push("job_2")
        assert server.llen("gpu") == 1
    assert not queue.push("job_3")
    with running(folder) as server:
        assert queue.push("job_4")
    queue.close()


def test_listing_workers_without_a_broker_raises(folder: Path) -> None:
    queue = Broker(f"redis+socket://{folder}/broker.sock")
    with pytest.raises(Exception, match=r"broker\.sock"):
        queue.workers(expected=1)


def test_a_broker_that_does_not_respond_delays_a_request_for_seconds_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        queue = Broker(f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        started = time.monotonic()
        assert not queue.push("job_1")
        assert time.monotonic() - started < DEADLINE_S  # without a timeout, it never ends
        queue.close()
