"""The documents of a dataset, and the text they form."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

Part = Literal["calibration", "evaluation"]
Render = Callable[[Sequence[Mapping[str, Any]], str], str]
"""Renders chat messages as text; the second argument is their place in the dataset."""
JOINER = "\n\n"
CHAT_JOINER = ""
"""Nothing is put between conversations, because the chat template marks their ends."""


@dataclass(frozen=True)
class Text:
    """The documents of one part of a dataset.

    Attributes:
        documents: the documents in the dataset's order.
        split: the name of the part, such as ``last tenth``.
        joiner: the text between two documents.
        revision: the version of the dataset; None if unknown.
        file_sha256: the SHA-256 of the file that the documents were read from; None if there is no
            single file.
        samples_documents: whether calibration windows are cut from single long documents instead
            of the joined text.
        max_windows: the default number of evaluation windows; None for all.
        text_field: the name of the text's field in each row, as the specification gives it; None
            if the specification gives none.
    """

    documents: Sequence[str]
    split: str
    joiner: str = JOINER
    revision: str | None = None
    file_sha256: str | None = None
    samples_documents: bool = False
    max_windows: int | None = None
    text_field: str | None = None

    @cached_property
    def joined(self) -> str:
        return self.joiner.join(self.documents)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file, or of the joined text if there is no single file."""
        return self.file_sha256 or sha256(self.joined.encode()).hexdigest()


def every_tenth(documents: Sequence[str], part: Part) -> list[str]:
    """Return every tenth document for evaluation, or all other documents for calibration."""
    wanted = part == "evaluation"
    return [text for index, text in enumerate(documents) if (index % 10 == 9) == wanted]
