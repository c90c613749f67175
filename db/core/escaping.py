"""Escaping of characters that UTF-8 cannot encode."""


def escape_surrogates(text: str) -> str:
    """Return `text` with unpaired surrogates as backslash escapes."""
    return text.encode(errors="backslashreplace").decode()
