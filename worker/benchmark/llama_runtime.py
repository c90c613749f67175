"""Running a GGUF file with llama.cpp, through the package xllamacpp."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import xllamacpp

from worker.benchmark.gguf_runtime import GgufRuntime
from worker.benchmark.measurement import NEW_TOKENS, PROMPT_TOKENS
from worker.benchmark.runtime import Timing

_ERRORS = 1
_CONTEXT = PROMPT_TOKENS + NEW_TOKENS + 1


class LlamaRuntime(GgufRuntime):
    """The library llama.cpp on the CPU."""

    def environment(self) -> dict[str, str]:
        return {
            "runtime": "llama.cpp",
            "version": f"xllamacpp {version('xllamacpp')}",
            "device": "cpu",
            "dtype": "as in the file",
        }

    @contextmanager
    def loaded(self, path: Path) -> Iterator["LlamaModel"]:
        with TemporaryDirectory(prefix="zpruner-llama-") as private:
            parameters = xllamacpp.CommonParams()
            parameters.model.path = str(path)
            # Its server listens in any case; on a socket of this folder only for this user.
            parameters.hostnames = [f"{private}/llama.sock"]
            parameters.verbosity = _ERRORS
            parameters.n_ctx = _CONTEXT
            parameters.n_parallel = 1
            parameters.cpuparams.n_threads = self.threads
            parameters.cpuparams_batch.n_threads = self.threads
            yield LlamaModel(xllamacpp.Server(parameters))


@dataclass(frozen=True)
class LlamaModel:
    """A model that llama.cpp has loaded, whose own clock measures it."""

    server: Any

    def generate(self, prompt: list[int], count: int) -> Timing:
        request = {
            "prompt": prompt,
            "n_predict": count,
            "temperature": 0,
            "ignore_eos": True,
            "cache_prompt": False,
        }
        times = self.server.handle_completions(request)["timings"]
        return Timing(times["prompt_ms"] / 1000, times["predicted_ms"] / 1000)
