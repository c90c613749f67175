"""Documents, and how they become one text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

Part = Literal["calibration", "evaluation"]
Render = Callable[[Sequence[Mapping[str, Any]], str], str]
"""Makes text of chat messages; the second argument says where they stand."""
JOINER = "\n\n"
CHAT_JOINER = ""
"""A chat template ends each conversation itself."""


@dataclass(frozen=True)
class Text:
    """The documents of one part of a dataset.

    Attributes:
        documents: in their order.
        split: what part of the dataset they are, in the dataset's own words.
        joiner: what stands between two documents.
        revision: which version of the dataset they are of, where that is known.
        file_sha256: of the file they were read from, where it is one.
        draws: whether calibration takes single long documents rather than the joined text.
        max_windows: how many windows are evaluated on by default; None for all.
        text_field: the field they were read from, where there are several.
    """

    documents: Sequence[str]
    split: str
    joiner: str = JOINER
    revision: str | None = None
    file_sha256: str | None = None
    draws: bool = False
    max_windows: int | None = None
    text_field: str | None = None

    @cached_property
    def joined(self) -> str:
        """Return the whole text."""
        return self.joiner.join(self.documents)

    @cached_property
    def sha256(self) -> str:
        """Return what names the data: the file's hash, or the text's."""
        return self.file_sha256 or sha256(self.joined.encode()).hexdigest()


def every_tenth(documents: Sequence[str], part: Part) -> list[str]:
    """Divide documents so that each tenth is held out, wherever the text ends."""
    wanted = part == "evaluation"
    return [text for index, text in enumerate(documents) if (index % 10 == 9) == wanted]
