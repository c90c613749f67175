"""Whether the API can start: ``python -m api.services.checks`` answers in JSON.

A program of its own for ``zpruner serve`` and ``zpruner doctor``, which know nothing of the API.
"""

import sys
from pathlib import Path

import httpx

from api.settings import ApiSettings
from db.startup import checks
from db.startup.checks import Finding, SettingsError

DASHBOARD = Path(__file__).parents[1] / "dashboard" / "dist" / "index.html"


def hub(settings: ApiSettings) -> Finding:
    """Say whether the model hub answers; jobs of local models need none."""
    try:
        httpx.head(settings.hf_endpoint, timeout=settings.hub_timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding("hub", "absent", f"{settings.hf_endpoint} does not answer: {error}")
    return Finding("hub", "ok", settings.hf_endpoint)


def dashboard() -> Finding:
    """Say whether the web page was built."""
    if DASHBOARD.is_file():
        return Finding("dashboard", "ok", "built")
    return Finding("dashboard", "absent", "not built: run `make dashboard` in the checkout")


def main() -> None:
    """Check what concerns the API alone."""
    try:
        settings = checks.read_settings(ApiSettings)
    except SettingsError as error:
        checks.print_findings(checks.settings_findings(error))
    else:
        checks.print_findings([dashboard(), hub(settings)] if "--all" in sys.argv else [])


if __name__ == "__main__":
    main()
