"""Faults that leave a tensor on the CPU."""

from pkgutil import resolve_name
from typing import Any

import pytest

from tests.cuda.fake import CudaTensor


def leave_on_cpu(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a function, given by its dotted name, return its results on the CPU."""
    owner_name, _, name = place.rpartition(".")
    owner = resolve_name(owner_name)
    function = getattr(owner, name)

    def on_cpu(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return result.cpu() if isinstance(result, CudaTensor) else result

    monkeypatch.setattr(owner, name, on_cpu)
