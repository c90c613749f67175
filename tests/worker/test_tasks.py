"""The Celery application: its options, its messages, and the imports of its parent process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from celery.app.defaults import _OPTIONS
from celery.worker import state

from db.core.broker_names import PRUNE_TASK
from tests.api.services.broker import running
from worker import tasks

NONE_OF = "import sys, worker.tasks; sys.exit(bool({'torch', 'httpcore'} & set(sys.modules)))"

MESSAGES = """
from worker.control.broker import Broker
from worker.settings import WorkerSettings
broker = Broker(WorkerSettings())
assert broker.message_count("gpu") == 0
for job_id in ("job_1", "job_2"):
    broker.publish(job_id, "gpu")
assert (broker.message_count("gpu"), broker.message_count("big")) == (2, 0)
"""


def test_celery_knows_every_setting_it_is_given() -> None:
    given = set(tasks.app.conf.changes) - {"deprecated_settings"}  # Celery's own bookkeeping
    assert given <= set(_OPTIONS)
    assert given >= {"worker_pool_start_method", "worker_disable_prefetch"}


def test_a_process_starts_without_torch_and_without_what_only_webhooks_need() -> None:
    assert subprocess.run([sys.executable, "-c", NONE_OF], check=False).returncode == 0


def test_messages_of_the_prune_task_are_job_requests() -> None:
    assert issubclass(tasks.prune.Request, tasks.JobRequest)


class Message:
    """A message of the broker, as far as Celery's ``Request`` reads it."""

    delivery_info: ClassVar[dict[str, object]] = {}
    properties: ClassVar[dict[str, object]] = {}
    content_type, content_encoding = "application/json", "utf-8"
    acknowledged = False

    def __init__(self) -> None:
        self.headers = {"id": "message_1", "task": PRUNE_TASK}
        self.body = json.dumps([[], {"job_id": "job_1"}, {}])
        self.payload = json.loads(self.body)

    def ack_log_error(self, *_: object) -> None:
        self.acknowledged = True


@pytest.mark.parametrize("has_work", [True, False])
def test_a_message_without_work_is_acknowledged_and_starts_no_process(
    has_work: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_has_work", lambda _: has_work)
    message = Message()
    request = tasks.JobRequest(
        message, app=tasks.app, task=tasks.prune, on_ack=message.ack_log_error
    )
    assert request.revoked() is not has_work
    assert message.acknowledged is not has_work
    assert "message_1" not in state.revoked


def test_the_messages_in_a_queue_are_counted(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="zpr") as short, running(Path(short)):
        url = f"redis+socket://{short}/broker.sock"
        env = os.environ | {"ZPRUNER_BROKER_URL": url, "ZPRUNER_DATA_DIR": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", MESSAGES], env=env, check=False)
        assert done.returncode == 0
