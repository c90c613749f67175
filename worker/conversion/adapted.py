"""Runs llama.cpp's converter with what it cannot know of a folder, in a process of its own.

The arguments are the converter's script and its own arguments, of which the first is the folder.
llama.cpp knows a byte-level tokenizer by the ids of one text, which are others once tokens were
removed; and it reads blocks of different widths in one architecture, which its converter does not
write for a Llama.
"""

import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.conversion.uneven_record import UnevenRecord
from worker.vocabulary.record import CHECKED, IDS, TEXT, read_record

_MODULES = ("conversion.base", "conversion.llama")


@dataclass(frozen=True)
class _KnownTokenizer:
    """A tokenizer that encodes one text as that of the model with all tokens does."""

    tokenizer: Any
    text: str
    ids: Sequence[int]

    def encode(self, text: str, **options: Any) -> list[int]:
        if text == self.text:
            return list(self.ids)
        ids: list[int] = self.tokenizer.encode(text, **options)
        return ids


def is_needed(folder: Path) -> bool:
    """Return whether the converter has to be told something of a folder."""
    return read_record(folder) is not None or UnevenRecord.read(folder) is not None


def main() -> None:
    script, folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(script.parent))
    names = runpy.run_path(str(script), run_name="converter")
    kinds = list(_kinds(names))
    if (record := read_record(folder)) is not None:
        for kind in kinds:
            if "get_vocab_base_pre" in vars(kind):
                _know_tokenizer(kind, record[CHECKED])
    if (uneven := UnevenRecord.read(folder)) is not None:
        for kind in kinds:
            if kind.__name__ == "LlamaModel":
                _write_uneven(kind, uneven)
    names["main"]()


def _kinds(names: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the classes of the converter, which is one module or several."""
    for module in _MODULES:
        try:
            __import__(module)
        except ImportError:
            continue
        names = {**names, **vars(sys.modules[module])}
    yield from {id(kind): kind for kind in names.values() if isinstance(kind, type)}.values()


def _know_tokenizer(kind: Any, checked: Mapping[str, Any]) -> None:
    original: Callable[[Any, Any], str] = kind.get_vocab_base_pre

    def known(self: Any, tokenizer: Any) -> str:
        return original(self, _KnownTokenizer(tokenizer, checked[TEXT], checked[IDS]))

    kind.get_vocab_base_pre = known


def _write_uneven(kind: Any, uneven: UnevenRecord) -> None:
    """Have the class of Llamas write the architecture whose blocks may have different widths."""
    architecture = sys.modules["gguf"].MODEL_ARCH.DECI
    parameters, tensors = kind.set_gguf_parameters, kind.modify_tensors

    def set_parameters(self: Any) -> None:
        with_lists = self.hparams | uneven.fields()
        self.hparams, own = with_lists, self.hparams
        parameters(self)
        self.hparams = own

    def modify(self: Any, data: Any, name: str, block: int | None) -> Iterator[Any]:
        own = self.hparams
        if block is not None:
            self.hparams = own | uneven.fields(block)
        yield from tensors(self, data, name, block)
        self.hparams = own

    kind.model_arch = architecture
    kind.set_gguf_parameters, kind.modify_tensors = set_parameters, modify


if __name__ == "__main__":
    main()
