"""Texts and errors about models and datasets that cannot be used."""

from db.core.errors import SpecRefusedError


def refused(name: str, code: str, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError("model", name, code, reason, remedy)


def private_remedy(field: str) -> str:
    """Return what to do if a repository of the hub, which ``field`` names, is private or gated."""
    own = "name a secret with a token that may read it in model_secret, or " * (field == "model")
    return f"If it is private or gated, {own}give the service such a token in HF_TOKEN."
