"""Our solvers give the results of the published codes for the same statistics."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.worker.pruning.layers import output_error
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.selection import AsPublished
from worker.pruning.methods.solvers.admm import admm
from worker.pruning.methods.solvers.alps import alps
from worker.pruning.methods.solvers.sparsegpt import sparsegpt
from worker.pruning.stats.gram import Gram

HERE = Path(__file__).parent
BLOCK = "model.layers.4."
TOKENS = 4096
INPUT_OF = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}
ALPS_ERRORS = {
    "self_attn.q_proj.weight": 0.005864393592,
    "self_attn.k_proj.weight": 0.003406847506,
    "self_attn.v_proj.weight": 0.061273171954,
    "self_attn.o_proj.weight": 0.026878343944,
    "mlp.gate_proj.weight": 0.038745328653,
    "mlp.up_proj.weight": 0.040693517477,
    "mlp.down_proj.weight": 0.052815623512,
}


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    stored = np.load(HERE / "solvers_block_4.npz")
    return {name: torch.from_numpy(stored[name]) for name in stored}


def _layers(golden: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Gram]]:
    """Yield each layer's name, dense weight and Gram matrix, which the authors' code computed."""
    dense = load_file(HERE / "stories260k" / "model.safetensors")
    for name in ALPS_ERRORS:
        layer = name.split(".")[1]
        source = name.replace(layer, INPUT_OF.get(layer, layer))
        yield name, dense[BLOCK + name], Gram(golden[f"gram.{source}"] / TOKENS)


def _assert_same(got: Tensor, want: Tensor) -> None:
    assert ((got == 0) == (want == 0)).float().mean() >= 0.999
    assert (got - want).norm() < 1e-4 * want.norm()


def test_sparsegpt_gives_the_weights_of_the_authors(
    golden: dict[str, Tensor],
) -> None:
    for name, weight, gram in _layers(golden):
        got = sparsegpt(weight, gram, AsPublished(Unstructured(0.5)))
        _assert_same(got, golden[f"iso_sparsegpt_0.5.{name}"])


def test_admm_gives_the_weights_of_the_authors(
    golden: dict[str, Tensor],
) -> None:
    for name, weight, gram in _layers(golden):
        _assert_same(admm(weight, gram, Unstructured(0.5)), golden[f"iso_admm_0.5.{name}"])


def test_alps_gives_the_output_error_of_the_authors(golden: dict[str, Tensor]) -> None:
    for name, weight, gram in _layers(golden):
        got = alps(weight, gram, Unstructured(0.5))
        assert output_error(weight, got, gram) == pytest.approx(ALPS_ERRORS[name], rel=1e-3)
