"""Small mixtures that have learned something, and have lost half of their experts."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from tests.worker.pruning.experts.cutting import cut
from tests.worker.pruning.experts.mixtures import write_mixture
from tests.worker.recovery.recoveries import SPARSE, Models, teach, text
from worker.pruning.experts.settings import ExpertSettings


def without_half(folder: Path, family: str) -> Models:
    """Write a mixture that has learned, and it with half of its experts."""
    dense, smaller = write_mixture(folder / "dense", family), folder / "smaller"
    model = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)
    teach(model, steps=24)
    model.save_pretrained(dense)
    cut(dense, smaller, ExpertSettings(0.5), text(24, seed=4))
    return Models(dense, smaller, SPARSE)
