"""The common base of programs that run GGUF files."""

from dataclasses import dataclass
from pathlib import Path

import psutil
from gguf import GGUFReader

from worker.benchmark.runtime import Limits


@dataclass(frozen=True)
class GgufRuntime:
    """A program that runs GGUF files on the CPU, in this process.

    Attributes:
        threads: how many threads compute.
    """

    threads: int

    def limits(self, path: Path) -> Limits:
        reader = GGUFReader(path)
        family = reader.fields["general.architecture"].contents()
        tokens, context = "tokenizer.ggml.tokens", f"{family}.context_length"
        return Limits(len(reader.fields[tokens].data), int(reader.fields[context].contents()))

    def stored_bytes(self, path: Path) -> int:
        return path.stat().st_size

    def used_bytes(self) -> int:
        return int(psutil.Process().memory_info().rss)
