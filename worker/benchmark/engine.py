"""The interface of the programs that run a model in a benchmark."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Limits:
    """What a model accepts.

    Attributes:
        vocabulary: the number of token ids.
        positions: the longest text, in tokens; None if the model names no limit.
    """

    vocabulary: int
    positions: int | None


class RunningModel(Protocol):
    """A model that an engine has loaded."""

    def generate(self, prompt: list[int], count: int, on_token: Callable[[], None]) -> None:
        """Generate ``count`` tokens, each the most likely one; call ``on_token`` after each."""


class Engine(Protocol):
    """A program that runs models on one device."""

    def environment(self) -> dict[str, str]:
        """Return the engine's name and version, the device, and the dtype of weights if it is set."""

    def limits(self, path: Path) -> Limits:
        """Return what the model at ``path`` accepts, without its weights."""

    def loaded(self, path: Path) -> AbstractContextManager[RunningModel]:
        """Load a model for the body of the ``with`` statement."""

    def stored_bytes(self, path: Path) -> int:
        """Return the size of the files that hold the weights."""

    def used_bytes(self) -> int:
        """Return the memory that is in use where the model runs: of the GPU or the process."""
