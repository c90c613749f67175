"""How Celery is set up: what a message may do, and who runs it."""

from typing import Any

from db.core.broker_names import GPU_QUEUE, TRANSPORT_OPTIONS
from worker.settings import WorkerSettings


def celery_options(settings: WorkerSettings) -> dict[str, Any]:
    """Return Celery's options by name."""
    return {
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": TRANSPORT_OPTIONS,
        # The row is the result; a result backend would block publishing while it is down.
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_default_queue": GPU_QUEUE,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_publish_retry": False,
        # The watch beside the job ends it at its limit; this is for a child whose watch hangs too.
        "task_time_limit": settings.job_timeout_s + 60,
        "worker_pool": "worker.pool.forked_pool:ForkingPool" if settings.forks else "prefork",
        "worker_pool_start_method": "spawn",
        "worker_concurrency": 1,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_max_tasks_per_child": 1,
        # Celery kills a child that is not up within this, over and over; on a busy machine one
        # needs more than its four seconds, and no job would ever begin.
        "worker_proc_alive_timeout": 120.0,
        "worker_lost_wait": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }
