"""Removal of secrets from everything that a process logs."""

import json
import logging
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from urllib.parse import quote

HIDDEN = "***"
MAX_VALUES = 1000
"""How many values a process remembers to remove; beyond that, it forgets the oldest."""
MIN_LENGTH = 6
"""Shorter values occur in other texts by chance, so they are not removed."""
_SECRETS = (
    # A part of a secret may have been removed before, as a registered value.
    (re.compile(r"\bzpr_[\w*]+"), f"zpr_{HIDDEN}"),  # API keys of this service, whole or in part
    (re.compile(r"\bwhsec_[\w+/=*-]+"), f"whsec_{HIDDEN}"),  # signing secrets of webhooks
    (re.compile(r"\bsig=[0-9a-f*]+"), f"sig={HIDDEN}"),  # signatures of download links
    (re.compile(r"(?i)\b(x-amz-(?:signature|security-token)=)[^\s&'\"]+"), rf"\1{HIDDEN}"),
    # Hugging Face tokens
    (re.compile(r"\bhf_(?:[A-Za-z0-9]{20,}|[A-Za-z0-9]*\*[A-Za-z0-9*]+)"), f"hf_{HIDDEN}"),
    (re.compile(r"(://[^\s:/@]*):[^\s/@]+@"), rf"\1:{HIDDEN}@"),  # passwords in URLs
    (
        re.compile(r"(?i)(\bauthorization\b['\"]?\s*[:=,]\s*b?['\"]?)[^\s'\",]+(?:\s+[^\s'\",]+)?"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=*-]{8,}"), rf"\1 {HIDDEN}"),
)
_BASIC = re.compile(r"(?i)\b(basic)(\s+|%20|\+)([\w+/*-]{8,}={0,2})")
_values: dict[str, tuple[str, ...]] = {}
"""The registered values, each with the texts that it can become."""


def register(value: str) -> None:
    """Have `redact` remove this value, too; for secrets that have no known format.

    It is also removed where it is encoded: as Base64, alone or within a longer text, as hexadecimal
    digits, and with the escapes of URLs and JSON. A value below `MIN_LENGTH` is ignored.
    """
    if len(value) < MIN_LENGTH:
        return
    _values.pop(value, None)  # so that it becomes the newest
    _values[value] = tuple(sorted(set(_forms(value)), key=len, reverse=True))
    if len(_values) > MAX_VALUES:
        _values.pop(next(iter(_values)), None)


def redact(text: str) -> str:
    """Replace registered values, and everything that matches the format of a known secret."""
    for forms in tuple(_values.values()):
        for form in forms:
            text = text.replace(form, HIDDEN)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _BASIC.sub(_without_credentials, text)


def _forms(value: str) -> Iterator[str]:
    """Yield a value in each encoding that a server, a library or a log may give it."""
    content = value.encode(errors="surrogatepass")
    for text in (value, *_base64(content), content.hex(), content.hex().upper()):
        yield from (text, text.replace("/", "\\/"), json.dumps(text)[1:-1])
        for safe in ("", "/", ":/"):
            escaped = quote(text, safe, errors="surrogatepass")
            yield from (escaped, re.sub("%..", lambda match: match[0].lower(), escaped))


def _base64(content: bytes) -> Iterator[str]:
    """Yield what is the same in the Base64 of every text that contains these bytes.

    Three bytes become four letters, so there are three cases, by how many bytes are before. A
    letter that depends on a byte before or after is left out.
    """
    for before in range(3):
        letters = b64encode(bytes(before) + content).decode().rstrip("=")
        first = -(-before * 8 // 6)
        last = (before + len(content)) * 8 // 6
        yield letters[first:last]
        yield letters[first:last].translate(str.maketrans("+/", "-_"))


def _without_credentials(match: re.Match[str]) -> str:
    """Hide what follows ``Basic`` if it is a user and a password, and not a word."""
    word, space, letters = match.groups()
    plain = letters.rstrip("=").translate(str.maketrans("-_", "+/"))
    whole = plain[: len(plain) - (len(plain) % 4 == 1)]
    is_secret = HIDDEN in letters or b":" in b64decode(whole + "=" * (-len(whole) % 4))
    return f"{word}{space}{HIDDEN}" if is_secret else match[0]


class RedactedRecord(logging.LogRecord):
    """A log record without secrets in its message and its traceback.

    Filters would not suffice: a logger's filter does not see the records of child loggers, and a
    handler's filter does not apply to handlers that libraries add later. The record class covers
    all loggers and handlers.
    """

    def getMessage(self) -> str:  # noqa: N802 - the name is logging's
        return redact(super().getMessage())

    @property
    def exc_text(self) -> str | None:
        return self._exc_text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._exc_text = None if text is None else redact(text)


def install() -> None:
    """Make this process create only redacted log records."""
    logging.setLogRecordFactory(RedactedRecord)
