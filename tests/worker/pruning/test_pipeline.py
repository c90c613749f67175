"""Whole sweeps over small models: what is written, what is reported, what is refused."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.evaluation.perplexity import token_loss
from worker.pruning.checkpoint import Checkpoint
from worker.pruning.errors import NotFiniteError
from worker.pruning.methods import get_method
from worker.pruning.patterns import Unstructured
from worker.pruning.pipeline import Propagation, Recipe, Sweep
from worker.pruning.report import BlockReport, SweepResult
from worker.pruning.skeleton import Skeleton

CALIBRATION, EVALUATION = random_ids(150, 16, seed=1), random_ids(4, 16, seed=2)


def _sweep(
    folder: Path,
    out: Path,
    *,
    sparsity: float = 0.5,
    propagation: Propagation = "fused",
    dtype: torch.dtype = torch.float32,
) -> tuple[list[BlockReport], SweepResult]:
    out.mkdir()
    skeleton = Skeleton.open(folder, dtype, torch.device("cpu"))
    recipe = Recipe(get_method("zpruner"), Unstructured(sparsity), propagation)
    blocks = Sweep(skeleton, recipe, CALIBRATION, EVALUATION, out, token_loss).run()
    reports = []
    while True:
        try:
            reports.append(next(blocks))
        except StopIteration as end:
            FAMILIES["llama"].save_pretrained(out)
            return reports, end.value


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}


@pytest.mark.parametrize("propagation", ["fused", "reference"])
@pytest.mark.parametrize("family", FAMILIES)
def test_exactly_half_of_each_linear_goes_and_the_rest_keeps_its_bits(
    tmp_path: Path, family: str, propagation: Propagation
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])

    reports, _ = _sweep(dense, tmp_path / "out", propagation=propagation)

    before, after = _tensors(dense), _tensors(tmp_path / "out")
    assert before.keys() == after.keys()
    pruned = 0
    for name, old in before.items():
        new = after[name]
        kept = new != 0
        assert torch.equal(new[kept], old[kept])
        assert not torch.signbit(new[~kept]).any()
        if not torch.equal(new, old):
            assert int((~kept).sum()) == round(old.numel() / 2), name
            pruned += old.numel()
    assert pruned == sum(report.weights for report in reports)
    assert pruned == 2 * sum(report.zeros for report in reports)
    assert all(report.parameters > report.weights for report in reports)


def test_the_reported_losses_are_those_of_the_loaded_models(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    reports, result = _sweep(dense, tmp_path / "out")
    for folder, loss in ((dense, result.dense_loss), (tmp_path / "out", result.pruned_loss)):
        model = AutoModelForCausalLM.from_pretrained(folder).eval()
        with torch.no_grad():
            assert loss == pytest.approx(float(model(EVALUATION, labels=EVALUATION).loss), rel=1e-6)
    errors = [report.output_error for report in reports]
    assert all(error is not None and 0 < error < 2 for error in errors)


def test_stored_weights_keep_their_dtype_whatever_computes(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["qwen3"], torch.float16)
    _sweep(dense, tmp_path / "out", dtype=torch.bfloat16)
    assert {value.dtype for value in _tensors(tmp_path / "out").values()} == {torch.float16}


def test_the_same_sweep_writes_the_same_bytes(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    for out in ("one", "two"):
        _sweep(dense, tmp_path / out)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_activations_in_scratch_files_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    _, held = _sweep(dense, tmp_path / "held")
    monkeypatch.setattr("worker.pruning.pipeline._HELD_BYTES", 0)
    _, spilled = _sweep(dense, tmp_path / "spilled")
    assert (held.dense_loss, held.pruned_loss) == (spilled.dense_loss, spilled.pruned_loss)
    assert not list((tmp_path / "spilled").glob(".activations*"))


def test_a_fused_forward_that_does_not_fit_falls_back_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    monkeypatch.setattr("worker.pruning.pipeline.available_bytes", lambda device: 1000)
    _, result = _sweep(dense, tmp_path / "out")
    assert result.propagation == "reference"


def test_a_caller_that_stops_asking_stops_the_work(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    out = tmp_path / "out"
    out.mkdir()
    skeleton = Skeleton.open(dense, torch.float32, torch.device("cpu"))
    recipe = Recipe(get_method("zpruner"), Unstructured(0.5))
    blocks = Sweep(skeleton, recipe, CALIBRATION, EVALUATION, out, token_loss).run()
    next(blocks)
    blocks.close()
    assert [file.name for file in out.iterdir()] == ["model-00001-of-00004.safetensors"]
    assert all(parameter.is_meta for parameter in skeleton.model.parameters())


def test_a_weight_that_is_not_finite_is_named(tmp_path: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "sound", FAMILIES["llama"]))
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("nan")
    model.save_pretrained(tmp_path / "spoilt")
    with pytest.raises(NotFiniteError, match=r"model\.layers\.1\.mlp\.up_proj holds NaN"):
        _sweep(tmp_path / "spoilt", tmp_path / "out")
