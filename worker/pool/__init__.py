"""Celery worker processes: options, fork server, heartbeat and startup checks."""
