"""The log of a process: lines for people or JSON objects, each with what it is about."""

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
CHATTY = ("alembic", "httpx", "httpx2")
# What uvicorn and Celery add to their records for their own formatters.
UNTOLD = [*RESERVED_ATTRS, "color_message", "data"]
_about: ContextVar[Mapping[str, object]] = ContextVar("about", default=MappingProxyType({}))


def configure(style: Format, level: int | str = logging.INFO) -> None:
    """Write the whole process's log to standard error, in place of what wrote it before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json() if style == "json" else logging.Formatter(TEXT))
    handler.addFilter(_tell)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        if (logger := logging.getLogger(name)).handlers:  # one that is switched off has none
            logger.handlers, logger.propagate = [], True
    logging.captureWarnings(True)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Have every line of a block, and of what it calls, tell these fields."""
    token = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def _tell(record: logging.LogRecord) -> bool:
    for name, value in _about.get().items():
        setattr(record, name, value)
    return True


class _Json(JsonFormatter):
    """Writes tracebacks without secrets, too: it takes them from no record that hides some."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's word
        """Return a traceback without secrets."""
        return redact(str(super().formatException(ei)))


def _json() -> JsonFormatter:
    names = ("levelname", "name", "message")
    return _Json(list(names), rename_fields=FIELDS, reserved_attrs=UNTOLD, timestamp="time")
