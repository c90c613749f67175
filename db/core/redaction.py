"""Removal of secrets from everything that a process logs."""

import logging
import re

HIDDEN = "***"
MAX_VALUES = 1000
"""How many values a process remembers to remove; beyond that, it forgets the oldest."""
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
_values: dict[str, None] = {}


def register(value: str) -> None:
    """Have `redact` remove this value, too; for secrets that have no known format."""
    _values.pop(value, None)  # so that it becomes the newest
    _values[value] = None
    if len(_values) > MAX_VALUES:
        _values.pop(next(iter(_values)), None)


def redact(text: str) -> str:
    """Replace registered values, and everything that matches the format of a known secret."""
    for value in tuple(_values):
        text = text.replace(value, HIDDEN)
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


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
