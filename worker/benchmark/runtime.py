"""The interface of the programs that run a model in a benchmark."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

Clock = Callable[[], float]
"""Returns the seconds since any fixed moment."""


class RuntimeName(StrEnum):
    """Which program runs the models; ``auto``: transformers, or llama.cpp for GGUF files."""

    auto = "auto"
    openvino = "openvino"


@dataclass(frozen=True)
class Limits:
    """What a model accepts.

    Attributes:
        vocabulary: the number of token ids.
        positions: the longest text, in tokens; None if the model names no limit.
    """

    vocabulary: int
    positions: int | None


@dataclass(frozen=True)
class Timing:
    """The time of one text.

    Attributes:
        prefill_seconds: from the start to the first new token.
        decode_seconds: from the first new token to the last.
    """

    prefill_seconds: float
    decode_seconds: float


class RunningModel(Protocol):
    """A model that a runtime has loaded."""

    def generate(self, prompt: list[int], count: int) -> Timing:
        """Generate ``count`` tokens, each the most likely one, whatever ends a text."""


class Runtime(Protocol):
    """A program that runs models on one device."""

    def environment(self) -> dict[str, str]:
        """Return the runtime's name and version, the device, and the dtype of weights."""

    def limits(self, path: Path) -> Limits:
        """Return what the model at ``path`` accepts, without its weights.

        Raises:
            PruningError: the program cannot run the model.
        """

    def loaded(self, path: Path) -> AbstractContextManager[RunningModel]:
        """Load a model for the body of the ``with`` statement."""

    def stored_bytes(self, path: Path) -> int:
        """Return the size of the files that hold the weights."""

    def used_bytes(self) -> int:
        """Return the memory that is in use where the model runs: of the GPU or the process."""
