"""The Celery shell: its settings exist, and its parent process stays light."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from celery.app.defaults import _OPTIONS

from tests.api.services.test_broker import running
from worker import tasks

NONE_OF = "import sys, worker.tasks; sys.exit(bool({'torch', 'httpcore'} & set(sys.modules)))"

MESSAGES = """
from worker.control.messages import Messages
from worker.settings import WorkerSettings
messages = Messages(WorkerSettings())
assert messages.waiting("gpu") == 0
for job_id in ("job_1", "job_2"):
    messages.push(job_id, "gpu")
assert (messages.waiting("gpu"), messages.waiting("big")) == (2, 0)
"""


def test_celery_knows_every_setting_it_is_given() -> None:
    given = set(tasks.app.conf.changes) - {"deprecated_settings"}  # Celery's own bookkeeping
    assert given <= set(_OPTIONS)
    assert given >= {"worker_pool_start_method", "worker_disable_prefetch"}


def test_a_process_starts_without_torch_and_without_what_only_webhooks_need() -> None:
    assert subprocess.run([sys.executable, "-c", NONE_OF], check=False).returncode == 0


def test_a_dead_childs_message_gives_its_lease_back_first() -> None:
    assert issubclass(tasks.prune.Request, tasks.HeldRequest)


def test_the_messages_in_a_queue_are_counted(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="zpr") as short, running(Path(short)):
        url = f"redis+socket://{short}/broker.sock"
        env = os.environ | {"ZPRUNER_BROKER_URL": url, "ZPRUNER_DATA_DIR": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", MESSAGES], env=env, check=False)
        assert done.returncode == 0
