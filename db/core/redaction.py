"""Secrets never reach a log: they are taken out of every record, whoever writes it where."""

import logging
import re

HIDDEN = "***"
_SECRETS = (
    (re.compile(r"\bzpr_\w+"), f"zpr_{HIDDEN}"),  # keys of this service, whole or in part
    (re.compile(r"\bwhsec_[\w+/=-]+"), f"whsec_{HIDDEN}"),  # what signs to webhooks
    (re.compile(r"\bsig=[0-9a-f]+"), f"sig={HIDDEN}"),  # links to files
    (re.compile(r"\bhf_[A-Za-z0-9]{20,}"), f"hf_{HIDDEN}"),  # tokens of the model hub
    (re.compile(r"(://[^\s:/@]*):[^\s/@]+@"), rf"\1:{HIDDEN}@"),  # passwords in URLs
    (
        re.compile(r"(?i)(\bauthorization\b['\"]?\s*[:=,]\s*b?['\"]?)[^\s'\",]+(?:\s+[^\s'\",]+)?"),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
)


def redact(text: str) -> str:
    """Return the text without the secrets that are known by their look."""
    for secret, instead in _SECRETS:
        text = secret.sub(instead, text)
    return text


class RedactedRecord(logging.LogRecord):
    """A record that shows no secret, neither in its message nor in its traceback.

    A filter on a logger does not see what the loggers below it write, and one on a handler knows
    nothing of the handlers that a library adds later; every record is made here.
    """

    def getMessage(self) -> str:  # noqa: N802 - logging's word
        """Return the message without secrets."""
        return redact(super().getMessage())

    @property
    def exc_text(self) -> str | None:
        """The traceback as it is written, without secrets."""
        return self._exc_text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self._exc_text = None if text is None else redact(text)


def install() -> None:
    """Keep secrets out of everything that this process logs from now on."""
    logging.setLogRecordFactory(RedactedRecord)
