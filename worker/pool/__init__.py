"""The worker as a process: Celery's pool, the fork server, the heartbeat, the device."""
