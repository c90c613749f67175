"""Running a GGUF file with OpenVINO GenAI."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai

from worker.benchmark.gguf_runtime import GgufRuntime
from worker.benchmark.runtime import Timing


class OpenVinoRuntime(GgufRuntime):
    """OpenVINO on the CPU; it reads Llama, Qwen2 and Qwen3 with byte-level BPE, not in float32."""

    def environment(self) -> dict[str, str]:
        return {
            "runtime": "openvino",
            "version": f"openvino-genai {version('openvino-genai')}",
            "device": "cpu",
            "dtype": "as in the file",
        }

    @contextmanager
    def loaded(self, path: Path) -> Iterator["OpenVinoModel"]:
        # The other backend keeps the keys and values of earlier prompts.
        properties = {"ATTENTION_BACKEND": "SDPA", "INFERENCE_NUM_THREADS": self.threads}
        yield OpenVinoModel(openvino_genai.LLMPipeline(str(path), "CPU", **properties))


@dataclass(frozen=True)
class OpenVinoModel:
    """A model that OpenVINO has loaded, whose own clock measures it."""

    pipeline: Any

    def generate(self, prompt: list[int], count: int) -> Timing:
        settings = openvino_genai.GenerationConfig(
            max_new_tokens=count, ignore_eos=True, do_sample=False
        )
        ids = openvino.Tensor(np.array([prompt], dtype=np.int64))
        times = self.pipeline.generate(ids, settings).perf_metrics
        first_s = times.get_ttft().mean / 1000
        return Timing(first_s, times.get_tpot().mean / 1000 * (count - 1))
