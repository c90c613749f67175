"""Log output of a process, as text or JSON; JSON includes the id of the job or request."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from db.core.redaction import redact

Format = Literal["text", "json"]

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FIELDS = {"levelname": "level", "name": "logger"}
VERBOSE_LOGGERS = (
    "alembic",
    "celery.apps.worker",
    "celery.worker.consumer.connection",
    "httpx",
    "httpx2",
    "uvicorn.error",
)
"""What they log at ``INFO``, such as that a process has started, is of no use to an operator."""
# uvicorn and Celery add the last two for their own formatters.
OMITTED_ATTRS = [*RESERVED_ATTRS, "color_message", "data"]
_fields: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default=MappingProxyType({}))


def configure(style: Format, level: int | str = logging.INFO) -> None:
    """Send all logs of the process to standard error; replace every earlier handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if style == "json" else logging.Formatter(TEXT))
    handler.addFilter(_add_fields)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        if (logger := logging.getLogger(name)).handlers:  # a disabled one has no handlers
            logger.handlers, logger.propagate = [], True
    logging.captureWarnings(True)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Add `fields` to every log record that is written inside the ``with`` block."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def _add_fields(record: logging.LogRecord) -> bool:
    for name, value in _fields.get().items():
        setattr(record, name, value)
    return True


class _Json(JsonFormatter):
    """Formats records as JSON, and removes secrets from their tracebacks.

    JsonFormatter formats tracebacks itself and ignores the record's redacted ``exc_text``.
    """

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        return redact(str(super().formatException(ei)))


def _json() -> JsonFormatter:
    names = ("levelname", "name", "message")
    return _Json(list(names), rename_fields=FIELDS, reserved_attrs=OMITTED_ATTRS, timestamp="time")
