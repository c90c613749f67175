"""The header ``Prefer: wait=N``, with which a client waits for a change."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request

MAX_WAIT_S = 60.0


def preferred_wait_s(prefer: str | None, otherwise_s: float = 0) -> float:
    """Return how many seconds a ``Prefer: wait=N`` header asks to wait, at most 60.

    If the header has no ``wait=N``, return ``otherwise_s``. Malformed preferences are ignored, as
    in RFC 7240.
    """
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\b", prefer or "", re.ASCII)
    return min(float(match[1]), MAX_WAIT_S) if match else otherwise_s


async def _wait_s(
    request: Request,
    prefer: Annotated[
        str | None,
        Header(description="`wait=N` waits for a change for up to N seconds, at most 60."),
    ] = None,
) -> float:
    set_preference_applied(request, prefer)
    return preferred_wait_s(prefer)


def set_preference_applied(request: Request, prefer: str | None) -> None:
    """Set the response's ``Preference-Applied`` header, if ``prefer`` asks for a wait above 0 s."""
    if wait_s := preferred_wait_s(prefer):
        request.state.preference_applied = f"wait={wait_s:.0f}"


Wait = Annotated[float, Depends(_wait_s)]
