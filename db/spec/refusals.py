"""The refusal of a model for what is found in its files."""

from db.core.errors import SpecRefusedError


def refused(name: str, code: str, reason: str, remedy: str) -> SpecRefusedError:
    """Return the refusal of the model that the caller named so."""
    return SpecRefusedError("model", name, code, reason, remedy)
