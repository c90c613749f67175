"""Merging gains and rotations into the weights leaves the logits as they are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import random_ids
from tests.worker.pruning.rotation.models import ROTATABLE, write_rotatable
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.rotation.hadamard import Rotation
from worker.pruning.rotation.rotate import folded_head, rotated_block, rotated_embeddings
from worker.pruning.rotation.structure import rotatable


def draw(size: int) -> Rotation:
    return Rotation.draw(size, torch.Generator().manual_seed(size))


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(random_ids(2, 12)).logits
    return found


@pytest.mark.parametrize(("turns_residual", "turns_values"), [(1, 0), (0, 1), (1, 1), (0, 0)])
@pytest.mark.parametrize("family", ROTATABLE)
def test_the_logits_of_a_rotated_model_are_those_of_the_model(
    tmp_path: Path, family: str, turns_residual: int, turns_values: int
) -> None:
    write_rotatable(tmp_path, ROTATABLE[family], torch.float32)
    parts = rotatable(MetaModel.open(tmp_path, torch.float32, torch.device("cpu")))
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    expected = logits(model)
    residual = draw(model.config.hidden_size) if turns_residual else None
    values = draw(parts.head_width) if turns_values else None

    for block in model.model.layers:
        block.load_state_dict(rotated_block(block.state_dict(), parts, residual, values))
    if residual is not None:
        head, norm = model.lm_head.weight.detach(), model.model.norm.weight
        turned = folded_head(head, norm.detach() + parts.offset, residual)
        model.lm_head.weight = torch.nn.Parameter(turned)
        embedded = rotated_embeddings(model.model.embed_tokens.weight.detach(), residual)
        model.model.embed_tokens.weight = torch.nn.Parameter(embedded)
        with torch.no_grad():
            norm.fill_(1 - parts.offset)

    torch.testing.assert_close(
        logits(model), expected, rtol=1e-4, atol=1e-4 * float(expected.std())
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_keep_their_dtype_and_others_their_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    write_rotatable(tmp_path, ROTATABLE["qwen3"], dtype)
    meta_model = MetaModel.open(tmp_path, dtype, torch.device("cpu"))
    stored, parts = meta_model.read_block(0), rotatable(meta_model)

    rotated = rotated_block(stored, parts, draw(32), draw(8))

    assert rotated.keys() == stored.keys()
    assert {value.dtype for value in rotated.values()} == {dtype}
    same = {name for name, value in stored.items() if torch.equal(value, rotated[name])}
    assert same == {"self_attn.q_norm.weight", "self_attn.k_norm.weight"}
