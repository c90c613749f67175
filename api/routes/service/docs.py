"""Routes of the OpenAPI document and its interactive page, whose files come from no CDN."""

from importlib.resources import as_file, files
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Z-Pruner API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<p style="margin: 1rem 20px 0; font: 1rem sans-serif"><a href="/">← Dashboard</a></p>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</html>
"""
SCRIPT = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // By default, Swagger UI loads a badge from validator.swagger.io.
  validatorUrl: null,
});
"""


@router.api_route("/openapi.json", methods=["GET", "HEAD"])
def get_document(request: Request) -> JSONResponse:
    """Return the document; FastAPI's own route would create it on the event loop."""
    document = request.app.openapi()
    if root_path := request.scope.get("root_path", "").rstrip("/"):
        document = document | {"servers": [{"url": root_path}]}
    return JSONResponse(document)


@router.get("/docs")
def get_page() -> HTMLResponse:
    return HTMLResponse(PAGE, headers={"content-security-policy": POLICY})


@router.get("/docs/start.js")
def get_script() -> Response:
    return Response(SCRIPT, media_type="text/javascript")


@router.get("/docs/swagger-ui.css")
def get_style() -> FileResponse:
    return FileResponse(_asset("swagger-ui.css"))


@router.get("/docs/swagger-ui-bundle.js")
def get_bundle() -> FileResponse:
    return FileResponse(_asset("swagger-ui-bundle.js"))


def _asset(name: str) -> Path:
    with as_file(files("fastapi_offline") / "static" / name) as path:
        return path
