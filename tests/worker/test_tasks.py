"""The Celery shell: its settings exist, and its parent process stays light."""

import subprocess
import sys

from celery.app.defaults import _OPTIONS

from worker import tasks

NONE_OF = "import sys, worker.tasks; sys.exit(bool({'torch', 'httpcore'} & set(sys.modules)))"


def test_celery_knows_every_setting_it_is_given() -> None:
    given = set(tasks.app.conf.changes) - {"deprecated_settings"}  # Celery's own bookkeeping
    assert given <= set(_OPTIONS)
    assert given >= {"worker_pool_start_method", "worker_disable_prefetch"}


def test_a_process_starts_without_torch_and_without_what_only_webhooks_need() -> None:
    assert subprocess.run([sys.executable, "-c", NONE_OF], check=False).returncode == 0


def test_a_dead_childs_message_gives_its_lease_back_first() -> None:
    assert issubclass(tasks.prune.Request, tasks.HeldRequest)
