"""A page for each kind of problem; a problem's ``type`` links to its page."""

from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from db.problems.catalogue import CATALOGUE

router = APIRouter(prefix="/problems", include_in_schema=False)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<h1>{title}</h1>
{body}
<p><a href="/problems">All problems</a> · <a href="/docs">API</a> · <a href="/">Dashboard</a></p>
</html>
"""


@router.get("")
def get_index() -> HTMLResponse:
    items = "".join(
        f'<li><a href="/problems/{code}">{code}</a>: {escape(kind.explanation or "")}</li>'
        for code, kind in sorted(CATALOGUE.by_code.items())
    )
    return HTMLResponse(PAGE.format(title="Problems", body=f"<ul>{items}</ul>"))


@router.get("/{code}")
def get_problem(code: str) -> HTMLResponse:
    """Explain one kind of problem."""
    if (kind := CATALOGUE.by_code.get(code)) is None:
        raise HTTPException(404, "There is no problem with this code.")
    body = "".join(f"<p>{escape(text)}</p>" for text in (kind.explanation, kind.remedy) if text)
    return HTMLResponse(PAGE.format(title=code, body=body))
