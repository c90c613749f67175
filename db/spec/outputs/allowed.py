"""The check that the operator allows the targets of a job's result."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from db.core.errors import SpecRefusedError
from db.spec.outputs.targets import HubOutput, MlflowOutput, Target

SETTING = "ZPRUNER_OUTPUT_URLS"


def check_targets(targets: Sequence[Target], allowed: Sequence[str]) -> None:
    """Check that each target is on the hub, or below a URL that the operator lists.

    Raises:
        SpecRefusedError: a target is neither.
    """
    for index, target in enumerate(targets):
        require_allowed(target, index, allowed)


def require_allowed(target: Target, index: int, allowed: Sequence[str]) -> None:
    """Check one target; ``index`` is its place in the list.

    Raises:
        SpecRefusedError: the operator does not allow it.
    """
    if isinstance(target, HubOutput):  # the hub is the operator's, as for models
        return
    url = target.mlflow if isinstance(target, MlflowOutput) else target.address
    if any(is_below(url, prefix) for prefix in allowed):
        return
    known = ", ".join(allowed) or "none"
    raise SpecRefusedError(
        f"output.{index}.{target.kind}",
        url,
        "output_not_allowed",
        f"the operator does not allow it (allowed: {known})",
        f"Name a target below one of these, or ask the operator to add it to {SETTING}.",
    )


def is_below(url: str, allowed: str) -> bool:
    """Whether a URL is an allowed one, or leads to a path below it."""
    own, other = urlsplit(url), urlsplit(allowed)
    if (own.scheme, own.netloc.lower()) != (other.scheme, other.netloc.lower()):
        return False
    return f"{own.path.rstrip('/')}/".startswith(f"{other.path.rstrip('/')}/")
