"""Errors of model folders and their files."""

from typing import Literal

Fault = Literal["malformed", "truncated", "oversized", "missing", "dtype"]

AGAIN = "get a complete copy"


class FilesError(Exception):
    """A file or folder cannot be used; the text names it, the reason and the remedy."""


class WeightsError(FilesError):
    """A weight file, or the index of several, is damaged.

    Args:
        file: the name of the file.
        reason: what is wrong with it, as a predicate of the file.
        fault: the kind of damage.
        remedy: what to do.
    """

    def __init__(
        self, file: str, reason: str, fault: Fault = "malformed", remedy: str = AGAIN
    ) -> None:
        super().__init__(f"{file} {reason}; {remedy}")
        self.file, self.reason, self.fault = file, reason, fault
