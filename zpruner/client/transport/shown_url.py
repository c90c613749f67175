"""The URL of a service, as messages show it."""

import re


def shown_url(url: str) -> str:
    """Return a URL without user name and password, also if it is malformed."""
    return re.sub(r"^([a-z]+://)?.*@", r"\1", url, flags=re.IGNORECASE | re.DOTALL)
