"""Redirects of downloads to the bucket that has the files."""

from fastapi import Request

from db.files.downloads import PROTECTED_FOR

SENT_BY_API_BYTES = 4 << 20
"""Files up to this size are always sent by the API, also to the dashboard's scripts."""
URL_LIFETIME = PROTECTED_FOR
"""How long the URL of a file is valid; for as long, no retention rule deletes the file."""
_SCRIPTS = {"cors", "same-origin"}


def may_redirect(request: Request) -> bool:
    """Whether a client can follow a redirect to another host.

    A script of a page cannot, because the page's security policy forbids it. A bucket does not know
    the entity tags of this API, so it would refuse a request with ``If-Match``.
    """
    headers = request.headers
    return headers.get("sec-fetch-mode") not in _SCRIPTS and "if-match" not in headers
