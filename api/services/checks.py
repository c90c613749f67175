"""Checks of the API's settings and, with ``--all``, of the dashboard and the model hub.

``zpruner serve`` and ``zpruner doctor`` do not import the API. They run this module as a program,
which prints the results as JSON.
"""

import sys
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import httpx

from api.core.settings import ApiSettings
from db.startup import checks
from db.startup.checks import Finding
from db.startup.read_settings import SettingsError, read_settings

_GRACE_S = 0.5
"""For the error of a request that reaches its own limit."""
DASHBOARD = Path(__file__).parents[1] / "dashboard" / "dist" / "index.html"


def hub(settings: ApiSettings) -> Finding:
    """Check that the model hub responds; jobs with local models do not need the hub.

    Without a network, the resolution of a name takes half a minute, and has no time limit of its
    own. So the request runs in a thread, which is left behind after the limit.
    """
    answers: Queue[Finding] = Queue()
    Thread(target=lambda: answers.put(_ask_hub(settings)), daemon=True).start()
    try:
        return answers.get(timeout=settings.hub_timeout_s + _GRACE_S)
    except Empty:
        reason = f"no answer within {settings.hub_timeout_s:g} s"
        return Finding("hub", "absent", f"{settings.hf_endpoint} does not respond: {reason}")


def _ask_hub(settings: ApiSettings) -> Finding:
    try:
        httpx.head(settings.hf_endpoint, timeout=settings.hub_timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("hub", "absent", f"{settings.hf_endpoint} does not respond: {error}")
    return Finding("hub", "ok", settings.hf_endpoint)


def dashboard() -> Finding:
    if DASHBOARD.is_file():
        return Finding("dashboard", "ok", "built")
    return Finding("dashboard", "absent", "not built: run `make dashboard` in the checkout")


def main() -> None:
    try:
        settings = read_settings(ApiSettings)
    except SettingsError as error:
        checks.print_findings(checks.settings_findings(error))
    else:
        checks.print_findings([dashboard(), hub(settings)] if "--all" in sys.argv else [])


if __name__ == "__main__":
    main()
