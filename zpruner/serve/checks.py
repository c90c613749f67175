"""What every part of the service says about its settings and this machine before it starts."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec

from db.startup import checks
from db.startup.checks import Finding
from db.startup.server_settings import DoorSettings
from zpruner.serve.embedded_broker import BrokerError, find_server

PARTS = {"api": "fastapi", "worker": "torch"}
"""The parts that judge settings of their own, and a package that shows that one is installed."""
CHECKS = {"api": "api.services.checks", "worker": "worker.pool.checks"}
"""The program of each part that does so."""
WITHIN_S = 150.0


def of_parts(given: Mapping[str, object], *, thorough: bool = False) -> list[Finding]:
    """Have each installed part check what concerns it, all at once.

    Args:
        given: settings by name that count more than the environment.
        thorough: whether to say as well what works, which takes longer.
    """
    there = [part for part, package in PARTS.items() if installed(package)]
    env = os.environ | {f"ZPRUNER_{name.upper()}": str(value) for name, value in given.items()}
    with ThreadPoolExecutor(len(PARTS)) as pool:
        found = pool.map(partial(_ask, env=env, thorough=thorough), there)
        return [finding for findings in found for finding in findings]


def of_surroundings(settings: DoorSettings, within_s: float = checks.WITHIN_S) -> list[Finding]:
    """Check folders, database and broker, which all parts share."""
    with ThreadPoolExecutor(2) as pool:
        reached = [
            pool.submit(checks.database, settings.database, needs_tables=False, within_s=within_s),
            pool.submit(_broker, settings, within_s),
        ]
        return [*checks.folders(settings), *(one.result() for one in reached)]


def require(findings: Iterable[Finding]) -> None:
    """Go on only if nothing is wrong; a line that several parts have to say is said once.

    Raises:
        SettingsError: with a line for each finding that is.
    """
    checks.require(dict.fromkeys(findings))


def installed(package: str) -> bool:
    """Whether a package, or a module within one, is there; imports at most the package."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _broker(settings: DoorSettings, within_s: float) -> Finding:
    if settings.broker_url is not None:
        return checks.broker(settings.broker, within_s=within_s)
    try:
        return Finding("broker", "ok", f"embedded: {find_server()}")
    except BrokerError as error:
        return Finding("broker", "wrong", str(error))


def _ask(part: str, env: Mapping[str, str], thorough: bool) -> list[Finding]:
    command = [sys.executable, "-P", "-m", CHECKS[part], *(["--all"] if thorough else [])]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            command, env=env, capture_output=True, text=True, timeout=WITHIN_S
        )
        return [Finding(**fields) for fields in json.loads(done.stdout)]
    except subprocess.TimeoutExpired:
        why = f"its checks did not end within {WITHIN_S:g} s"
    except ValueError:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return [Finding(part, "wrong", f"the {part} cannot be checked: {why}")]
