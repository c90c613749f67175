"""Names and options for the message broker. A message carries a job id and nothing else."""

from typing import Any

PRUNE_TASK = "zpruner.prune"
GPU_QUEUE = "gpu"
QUEUE_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Matches the names that queues of jobs can have."""

TRANSPORT_OPTIONS: dict[str, Any] = {
    # Leases detect lost workers; a short timeout here would run long jobs twice.
    "visibility_timeout": 86_400,
    # The defaults hang for minutes on a half-open connection.
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}
