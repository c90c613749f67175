"""The model that a trial tries, as its finished job wrote it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TriedModel:
    """The pruned model of a finished job.

    Attributes:
        folder: the folder of its files.
        revision: the commit of the dense model that was pruned; None for a local folder.
    """

    folder: Path
    revision: str | None
