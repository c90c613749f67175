"""Errors about a model's files."""

from db.core.errors import SpecRefusedError


def refused(name: str, code: str, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError("model", name, code, reason, remedy)
