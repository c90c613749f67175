"""Sweeps on a GPU: no operation mixes devices, and only known places wait for the GPU."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PretrainedConfig

from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName, SolverName
from tests.cuda.fake import MixedDevicesError, fake_cuda
from tests.cuda.faults import leave_on_cpu
from tests.cuda.waits import WAITS
from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from worker.evaluation.distance import token_distances
from worker.evaluation.perplexity import token_loss
from worker.jobs.recipes import recipe_of
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.results import PruningResult

CALIBRATION, EVALUATION = random_ids(8, 16, seed=1), random_ids(2, 16, seed=2)
REFINE = {"steps": 2, "tokens": 128}
JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "zpruner": ("llama", {"method": "zpruner"}),
    "magnitude of rows": ("llama", {"method": "magnitude", "scope": "row"}),
    "wanda 2:4": ("gpt2-conv1d", {"method": "wanda", "pattern": "2:4"}),
    "ria as published": ("llama", {"method": "ria", "propagation": "reference"}),
    "gblm": ("llama", {"method": "gblm"}),
    "dsnot": ("llama", {"method": "wanda", "solver": "dsnot"}),
    "dsnot 2:4": ("llama", {"method": "wanda", "solver": "dsnot", "pattern": "2:4"}),
    "owl": ("llama", {"method": "wanda", "allocation": "owl"}),
    "dlp": ("llama", {"method": "wanda", "allocation": "dlp"}),
    "by matrix": ("llama", {"method": "wanda", "allocation": "matrix"}),
    "sparsegpt": ("llama", {"method": "sparsegpt"}),
    "sparsegpt 2:4": ("llama", {"method": "zpruner", "solver": "sparsegpt", "pattern": "2:4"}),
    "admm": ("llama", {"method": "admm", "refine": REFINE}),
    "alps": ("llama", {"method": "alps", "correction": 0.0}),
    "alps by score": ("llama", {"method": "wanda", "solver": "alps"}),
    "exact": ("llama", {"method": "exact"}),
    "exact 2:4": ("llama", {"method": "exact", "pattern": "2:4"}),
    "neurons": ("llama", {"method": "neurons", "ratio": 0.25, "refine": REFINE}),
    "neurons by last tokens": ("llama", {"method": "neurons", "ratio": 0.25, "selection": "ptl"}),
    "heads": ("llama", {"method": "heads", "ratio": 0.1}),
    "depth": ("llama", {"method": "depth", "ratio": 0.4}),
    "adapt": ("llama", {"method": "adapt", "ratio": 0.2}),
    "pgp": ("llama", {"method": "pgp", "ratio": 0.2, "search_steps": 2}),
    "experts": ("qwen3-moe", {"method": "experts", "ratio": 0.5}),
    "weights of experts": ("qwen3-moe", {"method": "wanda"}),
    "8 bits": ("llama", {"method": "none", "quantize": {"scheme": "w8a16", "scales": "minmax"}}),
    "4 bits": ("llama", {"method": "wanda", "quantize": {"scheme": "w4a16", "group_size": 16}}),
    "binarize": ("llama", {"binarize": {"kept": 7.0, "group_size": 32}}),
}
FAULTS = {
    "worker.pruning.stats.input_moments.InputMoments.sq_mean": "zpruner",
    "worker.pruning.stats.gram.NormalisedGram.inverse": "admm",
    "worker.pruning.stats.gram.Gram.inverse_cholesky": "sparsegpt",
    "worker.pruning.refinement.trained_weight._kept": "admm",
    "worker.pruning.quantization.rounding.choose_scales": "4 bits",
}
"""Functions whose results a fault leaves on the CPU, and a job that calls them."""


def test_every_method_and_solver_has_a_sweep() -> None:
    fields = [fields for _, fields in JOBS.values()]
    methods = {job.get("method", MethodName.none) for job in fields}
    assert methods == set(MethodName)
    assert methods | {job.get("solver", SolverName.none) for job in fields} >= set(SolverName)


@pytest.mark.parametrize("job", JOBS)
def test_a_sweep_does_on_a_gpu_what_it_does_on_the_cpu(job: str, tmp_path: Path) -> None:
    model = _write(tmp_path / "model", job)
    on_cpu = _sweep(model, tmp_path / "cpu", job, "cpu")
    with fake_cuda() as waits:
        on_gpu = _sweep(model, tmp_path / "gpu", job, "cuda")
    assert on_gpu.dense_loss == pytest.approx(on_cpu.dense_loss, rel=1e-5)
    assert on_gpu.pruned_loss == pytest.approx(on_cpu.pruned_loss, rel=1e-5)
    assert waits.unknown(WAITS) == []


@pytest.mark.parametrize("place", FAULTS)
def test_a_tensor_that_is_left_on_the_cpu_is_found(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_on_cpu(place, monkeypatch)
    model = _write(tmp_path / "model", FAULTS[place])
    with fake_cuda(), pytest.raises(MixedDevicesError, match="tensors of several devices"):
        _sweep(model, tmp_path / "gpu", FAULTS[place], "cuda")


def _write(folder: Path, job: str) -> Path:
    config: PretrainedConfig = deepcopy({**FAMILIES, **MIXTURES}[JOBS[job][0]])
    config.num_hidden_layers = 2
    return write_model(folder, config)


def _sweep(model: Path, out: Path, job: str, device: str) -> PruningResult:
    out.mkdir()
    given = {"model": "local:m", "dataset": "local:d", "sparsity": 0.5, **JOBS[job][1]}
    if "ratio" in given or "binarize" in given:
        del given["sparsity"]
    pruner = ModelPruner(
        MetaModel.open(model, torch.float32, torch.device(device)),
        recipe_of(PruneSpec.model_validate(given)),
        CALIBRATION,
        EVALUATION,
        out,
        token_loss,
        token_distances=token_distances,
    )
    return run_to_end(pruner.run())
