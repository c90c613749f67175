"""Rotated folders: their outputs, how rotations are chosen, and repeated calls."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import random_ids
from tests.worker.pruning.rotation.models import ROTATABLE, write_rotatable
from worker.pruning.base.durable_files import sha256
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.rotation.hadamard import Rotation
from worker.pruning.sweep.rotation.rotated_model import ModelRotator

SCHEME = Scheme(4, 8, "minmax")
IDS = random_ids(20, 16)
PROJECTIONS = ("q", "k", "v", "o")
LAYERS = (
    *(f"self_attn.{name}_proj" for name in PROJECTIONS),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)


def rotator(dense: Path, seed: int = 0) -> ModelRotator:
    meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    blocks = range(len(meta_model.blocks))
    names = {f"{meta_model.block_name(index)}.{name}" for index in blocks for name in LAYERS}
    return ModelRotator(meta_model, SCHEME, names, seed)


def rotate(dense: Path, out: Path, basis: str = "a", seed: int = 0) -> dict[str, Any]:
    out.mkdir(exist_ok=True)
    return run_to_end(rotator(dense, seed).write(dense, out, IDS, {"basis": basis}))


def shards(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted(folder.glob("*.safetensors"))}


@pytest.mark.parametrize("family", ROTATABLE)
def test_transformers_computes_the_same_logits_with_the_rotated_folder(
    tmp_path: Path, family: str
) -> None:
    dense = write_rotatable(tmp_path / "dense", ROTATABLE[family], torch.float32)

    choices = rotate(dense, tmp_path / "out")

    assert choices["residual"]["is_rotated"]  # the outlying feature makes it worth it
    before, after = (
        AutoModelForCausalLM.from_pretrained(folder).eval() for folder in (dense, tmp_path / "out")
    )
    with torch.no_grad():
        expected, found = (one(random_ids(2, 12)).logits for one in (before, after))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
    assert not torch.equal(before.model.embed_tokens.weight, after.model.embed_tokens.weight)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert not config.get("tie_word_embeddings", False)


def rounded_error(rows: Tensor) -> float:
    """Return the squared error of rounding each row to 4 bits."""
    scale = rows.abs().amax(1, keepdim=True) / 7
    return float(((rows / scale).round() * scale - rows).double().square().sum())


@torch.no_grad()
def test_the_errors_are_those_of_an_independent_evaluation(tmp_path: Path) -> None:
    dense = write_rotatable(tmp_path / "dense", ROTATABLE["llama"], torch.float32)
    choices = rotate(dense, tmp_path / "out")

    model = AutoModelForCausalLM.from_pretrained(dense).eval()
    seen: dict[int, list[Tensor]] = {}
    for index, block in enumerate(model.model.layers):
        for layer in (block.self_attn.q_proj, block.mlp.gate_proj, block.self_attn.o_proj):
            layer.register_forward_pre_hook(
                lambda _, args, at=index: seen.setdefault(at, []).append(args[0].flatten(0, -2))
            )
    model(IDS[:8])  # 128 tokens
    generator = torch.Generator().manual_seed(0)
    turn = Rotation.draw(32, generator).of_rows(torch.eye(32))
    errors = {"without": 0.0, "rotated": 0.0}
    for index, block in enumerate(model.model.layers):
        turn_values = Rotation.draw(8, generator).of_rows(torch.eye(8))
        attention, mlp = block.self_attn, block.mlp
        gains = block.input_layernorm.weight, block.post_attention_layernorm.weight
        readers = [(one, gains[0]) for one in (attention.q_proj, attention.k_proj)]
        readers += [(attention.v_proj, gains[0])]
        readers += [(one, gains[1]) for one in (mlp.gate_proj, mlp.up_proj)]
        first, outputs, second = seen[index]
        for name, matrix in (("without", torch.eye(32)), ("rotated", turn)):
            for layer, gain in readers:
                errors[name] += rounded_error((layer.weight * gain @ matrix).reshape(-1, 8))
            for layer in (attention.o_proj, mlp.down_proj):
                errors[name] += rounded_error((matrix.T @ layer.weight).reshape(-1, 8))
            for inputs, gain in ((first, gains[0]), (second, gains[1])):
                errors[name] += rounded_error(inputs / gain @ matrix) / 128
        value, output = attention.v_proj.weight * gains[0] @ turn, turn.T @ attention.o_proj.weight
        for name, matrix in (("without", torch.eye(8)), ("rotated", turn_values)):
            turned = (matrix.T @ value.view(2, 8, 32)).reshape(-1, 8)
            expected = rounded_error(turned)
            expected += rounded_error((output.view(-1, 8) @ matrix).reshape(-1, 8))
            rows = (outputs.view(-1, 8) @ matrix).view(len(outputs), 32)
            expected += rounded_error(rows) / 128
            measured = choices["values"][index][name]
            assert sum(measured.values()) == pytest.approx(expected, rel=1e-3)
        chosen = choices["values"][index]
        without, rotated = (sum(chosen[name].values()) for name in ("without", "rotated"))
        assert chosen["is_rotated"] == (rotated < without)
    for name, error in errors.items():
        assert sum(choices["residual"][name].values()) == pytest.approx(error, rel=1e-3)


def test_a_second_call_with_the_same_basis_writes_nothing(tmp_path: Path) -> None:
    dense, out = write_rotatable(tmp_path / "dense", ROTATABLE["llama"], torch.float32), tmp_path
    choices = rotate(dense, out / "a")
    times = {path: path.stat().st_mtime_ns for path in (out / "a").iterdir()}

    assert rotate(dense, out / "a") == choices
    assert {path: path.stat().st_mtime_ns for path in (out / "a").iterdir()} == times
    rotate(dense, out / "a", basis="b", seed=1)
    rotate(dense, out / "b", basis="b", seed=1)
    assert shards(out / "a") == shards(out / "b")


def test_a_call_after_an_interrupted_one_writes_the_same_bytes(tmp_path: Path) -> None:
    dense = write_rotatable(tmp_path / "dense", ROTATABLE["llama-tied"], torch.bfloat16)
    rotate(dense, tmp_path / "whole")
    (tmp_path / "out").mkdir()
    steps = rotator(dense).write(dense, tmp_path / "out", IDS, {"basis": "a"})
    for _ in range(4):  # three blocks are measured, and one is written
        next(steps)
    steps.close()

    rotate(dense, tmp_path / "out")

    assert shards(tmp_path / "out") == shards(tmp_path / "whole")
