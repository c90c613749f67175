"""One way to write a document, so that equal ones have equal digests."""

import json
from hashlib import sha256
from typing import Any


def digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 of a JSON document, whatever the order of its keys."""
    written = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(written.encode()).hexdigest()
