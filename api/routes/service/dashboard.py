"""Routes of the dashboard's files, which ``tools.dashboard`` builds."""

import re
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from api.core.problem_response import ProblemError
from api.web.conditional import revalidated
from db.problems.service import DASHBOARD_NOT_BUILT

router = APIRouter(include_in_schema=False)

DIST = Path(__file__).parents[2] / "dashboard" / "dist"
PAGES = (
    "/",
    "/new",
    "/compare",
    "/jobs/{job_id}",
    "/jobs/{job_id}/rerun",
    "/sweeps",
    "/sweeps/new",
    "/sweeps/{sweep_id}",
    "/workers",
    "/keys",
    "/secrets",
    "/audit",
    "/week",
    "/datasets",
    "/datasets/{dataset_id}",
    "/triggers",
    "/triggers/{trigger_id}",
    "/webhooks",
    "/webhooks/{webhook_id}",
)
"""The paths that the dashboard's own router handles."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)


def get_page(request: Request) -> Response:
    """Return the dashboard's HTML page, which is the same for all paths."""
    return revalidated(
        request, _read("index.html"), "text/html", {"content-security-policy": POLICY}
    )


def missing_page(request: Request) -> Response | None:
    """Return the dashboard's 404 page if a browser requests a page; None for other requests.

    Also return None if the dashboard is not built.
    """
    is_file = request.url.path.startswith(("/v1/", "/assets/"))
    if is_file or "text/html" not in request.headers.get("accept", ""):
        return None
    try:
        page = _read("index.html")
    except ProblemError:
        return None
    return Response(page, 404, {"content-security-policy": POLICY}, "text/html")


for _path in PAGES:
    router.add_api_route(_path, get_page, methods=["GET", "HEAD"])


@router.get("/theme.js")
def get_theme(request: Request) -> Response:
    """Return the script that sets the theme before the page is painted."""
    return revalidated(request, _read("theme.js"), "text/javascript")


@router.get("/icon.svg")
def get_icon(request: Request) -> Response:
    return revalidated(request, _read("icon.svg"), "image/svg+xml")


@router.get("/assets/{name}")
def get_asset(name: str, request: Request) -> Response:
    """Return a script or style sheet; its name contains its hash, so it can be cached forever."""
    path = DIST / "assets" / name
    if not re.fullmatch(r"[\w-]+\.(js|css)", name) or not path.is_file():
        raise HTTPException(404, "The dashboard has no such file. Reload the page.")
    headers = {
        "cache-control": "public, max-age=31536000, immutable",
        "vary": "accept-encoding",
    }
    media_type = "text/javascript" if path.suffix == ".js" else "text/css"
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        path = path.with_name(f"{name}.gz")
    return FileResponse(path, media_type=media_type, headers=headers)


def _read(name: str) -> bytes:
    try:
        return (DIST / name).read_bytes()
    except FileNotFoundError:
        raise ProblemError(
            DASHBOARD_NOT_BUILT.problem(f"{DIST} contains no build of the dashboard.")
        ) from None
