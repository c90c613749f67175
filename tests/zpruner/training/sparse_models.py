"""Tiny sparse models, and what became of their zeros."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    Trainer,
    TrainingArguments,
)

from tests.models import FAMILIES, random_ids

PREFIXES = ("model.layers.", "transformer.h.")
OF_PEFT = "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
"""peft 0.21 reads it; transformers 5.24 deprecates it."""
ROWS = [{"input_ids": row, "labels": row} for row in random_ids(16, 12)]


def sparse_model(family: str = "llama", dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Return a random model, half of each matrix of its blocks zero."""
    torch.manual_seed(0)
    config: PretrainedConfig = copy.deepcopy(FAMILIES[family])  # Trainer changes it
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    for name, parameter in model.named_parameters():
        if name.startswith(PREFIXES) and parameter.ndim == 2:
            prune(parameter.data)
    return model


def prune(weight: Tensor) -> None:
    """Set the smaller half of a tensor to zero."""
    weight[weight.abs() <= weight.abs().median()] = 0


def arguments(folder: Path, **fields: object) -> TrainingArguments:
    """Return those of a short training that has every weight changed, without warnings on a CPU."""
    defaults = {
        "max_steps": 3,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "learning_rate": 1e-2,
        "weight_decay": 0.1,
        "use_cpu": True,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
    }
    return TrainingArguments(str(folder), **defaults | fields)


def train(
    model: nn.Module,
    folder: Path,
    callbacks: list[object],
    resume: Path | None = None,
    **fields: Any,
) -> Trainer:
    """Train a model with the Trainer, and return it."""
    trainer = Trainer(model, arguments(folder, **fields), train_dataset=ROWS, callbacks=callbacks)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    return trainer
