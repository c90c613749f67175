"""Moments at which jobs are created."""

from datetime import UTC, datetime

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
