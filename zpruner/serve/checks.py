"""Checks of the settings and this machine before the service starts."""

import json
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec

from db.startup import checks, program
from db.startup.artifact_storage import check_artifacts
from db.startup.checks import Finding
from db.startup.connection_limit import connection_limit
from db.startup.encryption_keys import check_encryption
from db.startup.server_settings import ServerSettings
from zpruner.serve.embedded_broker import BrokerError, find_server

PARTS = {"api": "fastapi", "worker": "torch"}
"""For each part with settings of its own, a package that is installed only with that part."""
CHECKS = {"api": "api.services.checks", "worker": "worker.pool.checks"}
"""For each part, the module that is run to check it."""
TIMEOUT_S = 150.0


def check_parts(*, thorough: bool = False) -> list[Finding]:
    """Run the checks of all installed parts in parallel, and return their findings.

    Args:
        thorough: whether to check the hub, the dashboard and torch as well, which takes longer.
    """
    installed_parts = [part for part, package in PARTS.items() if installed(package)]
    with ThreadPoolExecutor(len(PARTS)) as pool:
        results = pool.map(partial(_run_checks, thorough=thorough), installed_parts)
        return [finding for findings in results for finding in findings]


def check_environment(
    settings: ServerSettings, timeout_s: float = checks.CONNECT_TIMEOUT_S
) -> list[Finding]:
    """Check the folders, the bucket, the database and the broker, which all parts share."""
    with ThreadPoolExecutor(1) as pool:
        broker = pool.submit(_broker, settings, timeout_s)
        database = checks.database(settings.database, needs_tables=False, timeout_s=timeout_s)
        limit = connection_limit(settings) if database.state == "ok" else []
        shared = [*checks.folders(settings), database, check_encryption(settings)]
        return [*shared, *check_artifacts(settings), *limit, broker.result()]


def require(findings: Iterable[Finding]) -> None:
    """Raise an error if anything is wrong; identical findings are reported once.

    Raises:
        SettingsError: a check failed; the text has a line for each failed check.
    """
    checks.require(dict.fromkeys(findings))


def installed(package: str) -> bool:
    """Whether a package or submodule is installed.

    Checking a submodule imports its parent package.
    """
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _broker(settings: ServerSettings, timeout_s: float) -> Finding:
    if settings.broker_url is not None:
        return checks.broker(settings.broker, timeout_s=timeout_s)
    try:
        return Finding("broker", "ok", f"embedded: {find_server()}")
    except BrokerError as error:
        return Finding("broker", "wrong", str(error))


def _run_checks(part: str, thorough: bool) -> list[Finding]:
    command = program.command(CHECKS[part], *(["--all"] if thorough else []))
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            command, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        return [Finding(**fields) for fields in json.loads(done.stdout)]
    except subprocess.TimeoutExpired:
        reason = f"its checks did not end within {TIMEOUT_S:g} s"
    except ValueError:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return [Finding(part, "wrong", f"the {part} cannot be checked: {reason}")]
