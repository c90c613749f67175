"""Digests of JSON documents."""

import json
from hashlib import sha256
from typing import Any


def digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 of a JSON document, independent of the order of its keys."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(canonical.encode()).hexdigest()
