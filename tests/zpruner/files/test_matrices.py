"""Which matrices of a folder are read."""

from pathlib import Path

import pytest

from tests.zpruner.files.safetensors_files import random_content, write_safetensors
from zpruner.files.errors import FilesError
from zpruner.files.matrices import block_matrices, reported_matrices
from zpruner.files.weight_files import WHOLE
from zpruner.files.weights import tensors_of


def test_without_a_report_the_matrices_are_those_of_numbered_blocks(tmp_path: Path) -> None:
    names = ("model.layers.0.mlp.gate_proj.weight", "h.1.attn.c_attn.weight")
    others = ("lm_head.weight", "model.layers.0.mlp.gate.weight", "layers.0.router.weight")
    matrix = random_content("F16", (4, 4), 0.5)
    write_safetensors(tmp_path / WHOLE, dict.fromkeys((*names, *others), matrix))
    found = block_matrices(tmp_path, tensors_of(tmp_path))
    assert {one.tensor: one.transposed for one in found} == dict.fromkeys(names, False)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert all(one.transposed for one in block_matrices(tmp_path, tensors_of(tmp_path)))
    assert reported_matrices(tmp_path) is None


@pytest.mark.parametrize("report", ["[", "[]", '{"certificate": {}}', '{"certificate": 5}'])
def test_a_malformed_report_is_refused(tmp_path: Path, report: str) -> None:
    (tmp_path / "report.json").write_text(report)
    with pytest.raises(FilesError, match=r"report\.json .*get it again"):
        reported_matrices(tmp_path)
