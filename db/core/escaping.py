"""Texts and values as error messages may have them."""

from datetime import datetime
from enum import Enum
from reprlib import Repr

MAX_SHOWN = 200
"""The most characters of a value that an error message quotes."""


class _Quotes(Repr):
    """Writes values as JSON has them, but texts in single quotes."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = 20
        self.maxstring = self.maxlong = self.maxother = MAX_SHOWN

    def repr_NoneType(self, _value: None, _level: int) -> str:  # noqa: N802 - named by reprlib
        return "null"

    def repr_bool(self, value: bool, _level: int) -> str:
        return "true" if value else "false"

    def repr_tuple(self, value: tuple[object, ...], level: int) -> str:
        return self.repr_list(list(value), level)

    def repr_datetime(self, value: datetime, _level: int) -> str:
        return value.isoformat()

    def repr_instance(self, value: object, level: int) -> str:
        """Quote a value of any other class; that of an enumeration by its own value."""
        if isinstance(value, Enum):
            return self.repr1(value.value, level)
        return super().repr_instance(value, level)


_quotes = _Quotes()


def quoted(value: object) -> str:
    """Return a value in ASCII, cut to ``MAX_SHOWN`` characters.

    Long lists and strings in it are shortened first.
    """
    written = _quotes.repr(value).encode("ascii", "backslashreplace").decode()
    return written[:MAX_SHOWN] + ("…" if len(written) > MAX_SHOWN else "")


def escape_surrogates(text: str) -> str:
    """Return `text` with unpaired surrogates as backslash escapes."""
    return text.encode(errors="backslashreplace").decode()
