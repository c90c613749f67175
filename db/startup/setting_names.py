"""The names of all ``ZPRUNER_*`` variables, to report misspelt ones."""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

PREFIX = "ZPRUNER_"
ENV_FILE = Path(".env")

# Each part defines only its own settings, but its environment may hold those of all parts.
NAMES = frozenset(
    PREFIX + name
    for name in (
        "ALLOWED_HOSTS",
        "API_KEY",
        "AUTH",
        "BEAT_EVERY_S",
        "BROKER_URL",
        "CANCEL_GRACE_S",
        "CHECK_TIMEOUT_S",
        "DATABASE_URL",
        "DATASET_ROOTS",
        "DATA_DIR",
        "DEVICE",
        "DEVICES",
        "FORK_SERVER",
        "HOST",
        "HUB_TIMEOUT_S",
        "INSTANCE",
        "JOB_TIMEOUT_S",
        "KEEP_AUDIT_S",
        "KEEP_EVENTS_S",
        "KEEP_UNFINISHED_S",
        "LEASE_S",
        "LISTENING",
        "LOG_FORMAT",
        "MAX_BODY_BYTES",
        "MAX_DATASET_BYTES",
        "MEMORY_BUDGET_BYTES",
        "MODEL_ROOTS",
        "PAUSE_GRACE_S",
        "PORT",
        "QUEUES",
        "RATE_LIMIT_BURST",
        "RATE_LIMIT_PER_MINUTE",
        "REAP_EVERY_S",
        "RELAY_EVERY_S",
        "SCRUB_BYTES_PER_S",
        "SCRUB_EVERY_S",
        "SWEEP_EVERY_S",
        "TRACING",
        "URL",
        "WEBHOOK_NETWORKS",
        "WORKER_ID",
        "YIELD_GRACE_S",
    )
)


def unknown_names() -> list[str]:
    """Return a line for each unknown variable in the environment or in ``.env``."""
    places = (("the environment", os.environ), (str(ENV_FILE), dotenv_values(ENV_FILE)))
    return [line for place, names in places for line in _unknown(place, names)]


def _unknown(place: str, names: Iterable[str]) -> list[str]:
    found = sorted(name for name in names if name.upper().startswith(PREFIX))
    return [_line(name, place) for name in found if name.upper() not in NAMES]


def _line(name: str, place: str) -> str:
    near = get_close_matches(name.upper(), NAMES, n=1, cutoff=0)[0]
    return (
        f"{name} in {place} is not a setting. Did you mean {near}? "
        "Correct or remove it (docs/settings.md lists all settings)."
    )
