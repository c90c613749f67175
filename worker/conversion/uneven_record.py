"""The widths of the blocks of a folder that is only written to be converted."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

_FILE = "uneven.json"


@dataclass(frozen=True)
class UnevenRecord:
    """The widths of each block.

    Attributes:
        channels: the channels of the MLP.
        heads: the heads of queries.
        key_heads: the heads of keys and values.
        head_dim: the features of a head.
    """

    channels: Sequence[int]
    heads: Sequence[int]
    key_heads: Sequence[int]
    head_dim: int

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return the record of a folder; None without one."""
        file = folder / _FILE
        return cls(**json.loads(file.read_text())) if file.is_file() else None

    def write(self, folder: Path) -> None:
        (folder / _FILE).write_text(json.dumps(asdict(self)) + "\n")

    def fields(self, block: int | None = None) -> dict[str, Any]:
        """Return the fields of the config, for one block or with a value for each."""
        lists = {
            "intermediate_size": self.channels,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_heads,
        }
        values = {
            name: list(widths) if block is None else widths[block] for name, widths in lists.items()
        }
        return values | {"head_dim": self.head_dim}
