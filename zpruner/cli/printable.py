"""Text of strangers, shown without control characters that a terminal would obey."""

import json


def printable(text: str) -> str:
    """Return a text with all characters that are not printable as backslash escapes."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def printable_json(text: str) -> str:
    """Return JSON with all characters in its strings that are not printable as its escapes."""
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )
