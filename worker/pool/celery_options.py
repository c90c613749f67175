"""The Celery options of workers and of the control process."""

from typing import Any

from db.core.broker_names import GPU_QUEUE, TRANSPORT_OPTIONS
from worker.settings import WorkerSettings

FORKING_POOL = "worker.pool.forked_pool:ForkingPool"
SPAWNING_POOL = "worker.pool.patient_pool:PatientPool"


def celery_options(settings: WorkerSettings) -> dict[str, Any]:
    return {
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": TRANSPORT_OPTIONS,
        # Results are stored in rows; a result backend would block publishing while it is down.
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_default_queue": GPU_QUEUE,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_publish_retry": False,
        # The lease watchdog ends a job at its limit; this one is for a child whose watchdog hangs.
        "task_time_limit": settings.job_timeout_s + 60,
        "worker_pool": FORKING_POOL if settings.forks else SPAWNING_POOL,
        "worker_pool_start_method": "spawn",
        "worker_concurrency": 1,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_max_tasks_per_child": 1,
        # Celery would kill a child that has not started by then, however busy the machine is. The
        # pools have a limit of their own, which is fairer.
        "worker_proc_alive_timeout": 86_400.0,
        "worker_lost_wait": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }
