"""Windows of token ids, with a record of where they came from."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from torch import Tensor

from db.spec.inputs.references import DatasetReference
from worker.sources.documents import Text


@dataclass(frozen=True)
class Windows:
    """Token ids to run a model on.

    Attributes:
        ids: ``[windows, seq_len]`` int64.
        provenance: facts about the windows as JSON values, such as the dataset, its hash and its
            split; the number, length and stride of the windows; and the hash of ``ids``.
    """

    ids: Tensor
    provenance: dict[str, Any]

    def first(self, count: int) -> "Windows":
        """Return the first windows of the same text; all if there are no more."""
        return windows(self.ids[:count], **self.provenance)


def windows(ids: Tensor, **facts: Any) -> Windows:
    """Return token ids ``[windows, seq_len]`` as `Windows`; the provenance includes ``facts``."""
    hashed = sha256(ids.numpy().astype("<i8", copy=False).tobytes()).hexdigest()
    counts = {"tokens": ids.numel(), "window": ids.shape[1], "windows": ids.shape[0]}
    return Windows(ids, {"bos": False} | facts | counts | {"token_ids_sha256": hashed})


def windows_of_text(
    reference: DatasetReference,
    text: Text,
    ids: Tensor,
    *,
    stride: int | None = None,
    seed: int | None = None,
) -> Windows:
    """Return pieces ``[windows, seq_len]`` of an encoded text as `Windows`.

    Args:
        text: the part of the dataset that was encoded.
        ids: the token ids of the pieces.
        stride: number of tokens from the start of a piece to the start of the next; None if the
            pieces are at random places.
        seed: the seed that determined the random places; None if there are none.
    """
    facts: dict[str, Any] = {"dataset": reference.name, "dataset_sha256": text.sha256}
    facts |= {"revision": text.revision, "split": text.split, "documents": len(text.documents)}
    facts |= {"joiner": text.joiner, "stride": stride, "seed": seed}
    facts |= {"text_field": text.text_field}
    return windows(ids, **{key: value for key, value in facts.items() if value is not None})
