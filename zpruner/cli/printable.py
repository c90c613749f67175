"""Text of strangers, shown without control characters that a terminal would obey."""

import json


def printable(text: str) -> str:
    """Return a text with all characters that are not printable as backslash escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def printable_json(text: str) -> str:
    """Return JSON with all characters in its strings that are not printable as its escapes."""
    return "".join(
        one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text
    )
