"""Running a Hugging Face folder with transformers, as a program that uses the model would."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil
import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
from transformers.generation.streamers import BaseStreamer
from transformers.utils import logging

from worker.benchmark.runtime import Clock, Limits, Timing
from worker.pruning.base.compute import dtype_name
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.checkpoint import Checkpoint

ADAPTER_CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class TransformersRuntime:
    """The library transformers.

    Attributes:
        device: the device that models run on.
        dtype: the dtype of their weights.
        clock: the clock that measures them.
    """

    device: torch.device
    dtype: torch.dtype
    clock: Clock = perf_counter

    def environment(self) -> dict[str, str]:
        return {
            "runtime": "transformers",
            "version": transformers.__version__,
            "device": str(self.device),
            "dtype": dtype_name(self.dtype),
        }

    def limits(self, path: Path) -> Limits:
        if (path / ADAPTER_CONFIG).exists():
            raise UnsupportedModelError(
                "transformers would attach the adapter in the model's folder, but a benchmark is "
                "of the model alone",
                f"remove {ADAPTER_CONFIG}",
            )
        config = AutoConfig.from_pretrained(path, trust_remote_code=False).get_text_config()
        return Limits(config.vocab_size, getattr(config, "max_position_embeddings", None))

    @contextmanager
    def loaded(self, path: Path) -> Iterator["TransformersModel"]:
        logging.disable_progress_bar()
        model = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=self.dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
        # The folder's own settings may draw tokens, or end the text early.
        model.generation_config = GenerationConfig()
        yield TransformersModel(model.to(self.device).eval(), self.clock)

    def stored_bytes(self, path: Path) -> int:
        files = {stored.file for stored in Checkpoint.open(path).tensors.values()}
        return sum(file.stat().st_size for file in files)

    def used_bytes(self) -> int:
        if self.device.type == "cuda":
            return int(torch.cuda.memory_allocated(self.device))
        return int(psutil.Process().memory_info().rss)


@dataclass(frozen=True)
class TransformersModel:
    """A model in memory, whole, and the clock that measures it."""

    model: Any
    clock: Clock

    def generate(self, prompt: list[int], count: int) -> Timing:
        ids, times = torch.tensor([prompt], device=self.model.device), _Times(self.clock)
        self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            do_sample=False,
            streamer=times,
        )
        start, first, *_, last = times.read
        return Timing(first - start, last - first)


class _Times(BaseStreamer):
    """Reads a clock when a text is started, and for each new token, once the host has it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.read: list[float] = []

    def put(self, value: Tensor) -> None:
        """Read the clock: ``value`` is first the prompt, then each new token."""
        self.read.append(self._clock())

    def end(self) -> None:
        """Do nothing, as the last token was the end."""
