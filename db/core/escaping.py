"""Texts that came from elsewhere."""


def escape_surrogates(text: str) -> str:
    """Return the text with what UTF-8 cannot hold escaped."""
    return text.encode(errors="backslashreplace").decode()
