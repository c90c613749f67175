"""Requests with keys, and all operations of the API."""

import re
from collections.abc import Iterator

from fastapi.testclient import TestClient
from httpx2 import Response

NO_SUCH = "0" * 32


PREFIXES = {"worker": "wrk", "sweep": "swp", "webhook": "whk", "delivery": "msg", "trigger": "trg"}
"""Prefixes of ids that are not the first letters of the resource."""


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def operations(client: TestClient) -> Iterator[tuple[str, str, list[str] | None]]:
    """Yield verb, path and scopes of every operation; None for public ones."""
    for template, verbs in client.get("/openapi.json").json()["paths"].items():
        for verb, operation in verbs.items():
            path = re.sub(r"\{(\w+)_id\}", _no_such, template)
            path = path.replace("{name}", "none").replace("{index}", "0")
            assert "{" not in path, "give the parameter a value here"
            security = operation["security"]
            yield verb, path, security[0]["key"] if security else None


def _no_such(parameter: re.Match[str]) -> str:
    return f"{PREFIXES.get(parameter[1], parameter[1][:3])}_{NO_SUCH}"


def refusal(response: Response) -> tuple[int, str]:
    code = "" if response.request.method == "HEAD" else response.json().get("code", "")
    return response.status_code, code
