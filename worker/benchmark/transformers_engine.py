"""Running a Hugging Face folder with transformers, as a program that uses the model would."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
from transformers.generation.streamers import BaseStreamer
from transformers.utils import logging

from worker.benchmark.engine import Limits
from worker.pruning.base.compute import dtype_name
from worker.pruning.model.checkpoint import Checkpoint


@dataclass(frozen=True)
class TransformersEngine:
    """The library transformers.

    Attributes:
        device: the device that models run on.
        dtype: the dtype of their weights.
    """

    device: torch.device
    dtype: torch.dtype

    def environment(self) -> dict[str, str]:
        return {
            "engine": "transformers",
            "version": transformers.__version__,
            "device": str(self.device),
            "dtype": dtype_name(self.dtype),
        }

    def limits(self, path: Path) -> Limits:
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
        yield TransformersModel(model.to(self.device).eval())

    def stored_bytes(self, path: Path) -> int:
        files = {stored.file for stored in Checkpoint.open(path).tensors.values()}
        return sum(file.stat().st_size for file in files)

    def used_bytes(self) -> int:
        if self.device.type == "cuda":
            return int(torch.cuda.memory_allocated(self.device))
        return int(psutil.Process().memory_info().rss)


@dataclass(frozen=True)
class TransformersModel:
    """A model in memory, whole."""

    model: Any

    def generate(self, prompt: list[int], count: int, on_token: Callable[[], None]) -> None:
        ids = torch.tensor([prompt], device=self.model.device)
        self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=count,
            do_sample=False,
            streamer=_TokenCalls(on_token),
        )


class _TokenCalls(BaseStreamer):  # type: ignore[misc] # transformers has no types
    """Calls a function for each new token, once it is in the host's memory."""

    def __init__(self, on_token: Callable[[], None]) -> None:
        self._on_token = on_token
        self._has_prompt = False

    def put(self, value: Tensor) -> None:
        if self._has_prompt:
            self._on_token()
        self._has_prompt = True

    def end(self) -> None:
        """Do nothing: the last token was the end."""
