"""A page for each kind of problem: where its ``type`` leads."""

from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from api.problems.catalogue import FACES
from api.problems.explanations import EXPLANATIONS

router = APIRouter(prefix="/problems", include_in_schema=False)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<h1>{title}</h1>
{body}
</html>
"""


@router.get("")
def get_index() -> HTMLResponse:
    """List all kinds of problems."""
    items = "".join(
        f'<li><a href="/problems/{code}">{code}</a>: {escape(text)}</li>'
        for code, text in sorted(EXPLANATIONS.items())
    )
    return HTMLResponse(PAGE.format(title="Problems", body=f"<ul>{items}</ul>"))


@router.get("/{code}")
def get_problem(code: str) -> HTMLResponse:
    """Explain one kind of problem."""
    if code not in EXPLANATIONS:
        raise HTTPException(404, "There is no problem of this name.")
    body = f"<p>{escape(EXPLANATIONS[code])}</p>"
    if (face := FACES.get(code)) is not None and face.hint is not None:
        body += f"<p>{escape(face.hint)}</p>"
    return HTMLResponse(PAGE.format(title=code, body=body))
