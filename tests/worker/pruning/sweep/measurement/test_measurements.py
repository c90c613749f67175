"""What an earlier job has measured of the dense model is not measured again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.experts.mixtures import write_mixture
from tests.worker.pruning.sweep.resuming import EXPERTS_OF_DENSE, OF_DENSE
from tests.worker.pruning.sweeps import sweep
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.durable_files import sha256
from worker.pruning.base.increments import Increment
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, LastTokens
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.measurement import dense_moments
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult, PruningResult

WINDOWS, EVALUATION = random_ids(12, 16, seed=1), random_ids(2, 10, seed=2)
NOTHING = Recipe(None, Unstructured(0.0))
LESS_DEPTH, DEPTH = (replace(NOTHING, removal=Depth(share / 3)) for share in (1, 2))
FIVE = replace(OF_DENSE, settings=ExpertSettings(0.0, 5, from_dense=True))
PTL, LESS_PTL = (
    replace(NOTHING, removal=Neurons(ratio, last_tokens=LastTokens())) for ratio in (0.3, 0.2)
)
ADAPT, LESS_ADAPT = (
    replace(NOTHING, removal=MeasuredUnits(ratio, Adapt())) for ratio in (0.3, 0.2)
)
AS_DENSE = replace(NOTHING, propagation="reference")
NEURONS, LESS_NEURONS = (replace(AS_DENSE, removal=Neurons(ratio)) for ratio in (0.3, 0.2))
HEADS = replace(AS_DENSE, removal=Heads(0.1))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    llama = write_model(folder / "llama", FAMILIES["llama"])
    return {"llama": llama, "mixtral": write_mixture(folder / "mixtral", "mixtral")}


@contextmanager
def counted() -> Iterator[list[torch.Size]]:
    """Collect the shapes of the calibration windows that run through blocks."""
    seen: list[torch.Size] = []

    def watch(module: nn.Module, args: tuple[object, ...]) -> None:
        is_block = type(module).__name__.endswith("DecoderLayer")
        # A block without weights only records what it is called with.
        if is_block and not any(weight.is_meta for weight in module.parameters()):
            hidden = args[0]
            assert isinstance(hidden, Tensor)
            seen.extend([hidden.shape] * (hidden.shape[1] == WINDOWS.shape[1]))

    handle = nn.modules.module.register_module_forward_pre_hook(watch)
    try:
        yield seen
    finally:
        handle.remove()


def run(
    model: Path, out: Path, recipe: Recipe, measurements: Path | None
) -> tuple[list[BlockResult], PruningResult, dict[str, str]]:
    """Return the reports without their times, the result, and the digests of the files."""
    reports, result = sweep(
        model, out, recipe, WINDOWS, evaluation=EVALUATION, measurements=measurements
    )
    files = {path.name: sha256(path) for path in out.glob("*.safetensors")}
    return [replace(report, prune_seconds=0.0) for report in reports], result, files


CASES = [
    pytest.param("llama", LESS_DEPTH, DEPTH, True, id="depth"),
    pytest.param("mixtral", EXPERTS_OF_DENSE, replace(NOTHING, stages=(FIVE,)), True, id="experts"),
    pytest.param("llama", LESS_NEURONS, NEURONS, True, id="neurons"),
    pytest.param("mixtral", LESS_NEURONS, NEURONS, True, id="neurons of experts"),
    pytest.param("llama", HEADS, HEADS, True, id="heads"),
    pytest.param("llama", LESS_PTL, PTL, False, id="ptl"),
    pytest.param("llama", LESS_ADAPT, ADAPT, False, id="adapt"),
]


@pytest.mark.parametrize(("name", "first", "second", "measures_all"), CASES)
def test_another_ratio_takes_the_scores_of_the_first_and_has_the_same_bytes(
    tmp_path: Path,
    models: dict[str, Path],
    name: str,
    first: Recipe,
    second: Recipe,
    measures_all: bool,
) -> None:
    known = tmp_path / "known"
    with counted() as before:
        _, measured, _ = run(models[name], tmp_path / "first", first, known)
    with counted() as after:
        reports, result, files = run(models[name], tmp_path / "second", second, known)
    assert (measured.scores_known, result.scores_known) == (False, True)
    assert len(after) < len(before)
    assert bool(after) != measures_all  # the others are repaired on what has been pruned before
    own_reports, own, own_files = run(models[name], tmp_path / "own", second, None)
    assert own.scores_known is False
    assert files == own_files
    assert json.dumps([report.as_json() for report in reports]) == json.dumps(
        [report.as_json() for report in own_reports]
    )
    assert result.pruned_losses == own.pruned_losses


def test_scores_of_another_text_model_or_kind_are_measured(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    known, fewer = tmp_path / "known", replace(OF_DENSE.settings, score="frequency")
    by_tokens = replace(NOTHING, stages=(replace(OF_DENSE, settings=fewer),))
    run(models["mixtral"], tmp_path / "first", EXPERTS_OF_DENSE, known)
    other = write_mixture(tmp_path / "other", "mixtral", seed=1)
    runs = (
        sweep(models["mixtral"], tmp_path / "2", by_tokens, WINDOWS, measurements=known),
        sweep(other, tmp_path / "3", EXPERTS_OF_DENSE, WINDOWS, measurements=known),
        sweep(models["mixtral"], tmp_path / "4", EXPERTS_OF_DENSE, WINDOWS[1:], measurements=known),
    )
    assert [result.scores_known for _, result in runs] == [False] * 3
    assert len(list(known.iterdir())) == 4


@pytest.mark.parametrize(
    "recipe",
    [
        replace(NEURONS, propagation="fused"),
        replace(NEURONS, correction=0.3),
        replace(NEURONS, increment=Increment(1, 2)),
        replace(NEURONS, stages=(Refining(Refinement()),)),
        replace(NEURONS, removal=Neurons(0.3, repairs=False)),
        replace(AS_DENSE, removal=Depth(0.3)),
        replace(AS_DENSE, removal=MeasuredUnits(0.3, Adapt())),
        AS_DENSE,
    ],
)
def test_units_are_measured_in_the_dense_model_only_where_reference_stands_alone(
    recipe: Recipe,
) -> None:
    assert NEURONS.removes_as_dense
    assert not recipe.removes_as_dense


def test_moments_of_another_text_or_of_other_layers_are_measured(
    tmp_path: Path, models: dict[str, Path]
) -> None:
    model, known = models["llama"], tmp_path / "known"
    run(model, tmp_path / "first", NEURONS, known)
    _, heads, _ = run(model, tmp_path / "heads", HEADS, known)
    _, shorter = sweep(model, tmp_path / "text", NEURONS, WINDOWS[1:], measurements=known)
    assert heads.scores_known is shorter.scores_known is False
    _, again, _ = run(model, tmp_path / "again", NEURONS, known)
    assert again.scores_known


@pytest.mark.parametrize("name", ["gram", "tokens"])
def test_damaged_moments_of_one_block_are_measured_again(
    tmp_path: Path, models: dict[str, Path], name: str
) -> None:
    model, known = models["llama"], tmp_path / "known"
    _, _, files = run(model, tmp_path / "first", NEURONS, known)
    path = next((known / "moments").iterdir())
    stored = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    changed = {key: value + (key == f"0.{name}") for key, value in stored.items()}
    save_file(changed, path, metadata)
    _, result, again = run(model, tmp_path / "second", NEURONS, known)
    assert (result.scores_known, again) == (False, files)
    _, result, again = run(model, tmp_path / "third", NEURONS, known)
    assert (result.scores_known, again) == (True, files)


def test_moments_that_take_too_much_and_those_of_two_texts_are_not_kept(
    tmp_path: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, known = models["llama"], tmp_path / "known"
    spared = replace(NEURONS, removal=Neurons(0.3, spared_windows=4))
    run(model, tmp_path / "two", spared, known)
    size = 3 * 4 * 48 * 49 // 2  # of three blocks with 48 channels
    monkeypatch.setattr(dense_moments, "MOST_BYTES", size - 1)
    run(model, tmp_path / "large", NEURONS, known)
    assert not known.exists()
    monkeypatch.setattr(dense_moments, "MOST_BYTES", size)
    run(model, tmp_path / "small", NEURONS, known)
    assert len(list((known / "moments").iterdir())) == 3


@pytest.mark.parametrize("is_first_known", [False, True])
def test_a_run_goes_on_if_moments_were_measured_or_deleted_since_it_began(
    tmp_path: Path,
    models: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    is_first_known: bool,
) -> None:
    monkeypatch.setattr("worker.pruning.sweep.progress._SNAPSHOT_EVERY_S", 0.0)
    monkeypatch.setattr("worker.pruning.sweep.progress._SNAPSHOT_COST", 0)
    model, out, known = models["llama"], tmp_path / "out", tmp_path / "known"
    reports, _, files = run(model, tmp_path / "whole", NEURONS, known)
    out.mkdir()
    begun = opened(model, out, known if is_first_known else None).run()
    first = next(begun)
    begun.close()
    rest = opened(model, out, None if is_first_known else known)
    assert rest.resumed_from_block == 1
    with counted() as seen:
        resumed = [replace(report, prune_seconds=0.0) for report in rest.run()]
    assert bool(seen) == is_first_known
    assert (resumed[0].index, resumed) == (first.index, reports)
    assert {path.name: sha256(path) for path in out.glob("*.safetensors")} == files


def opened(model: Path, out: Path, measurements: Path | None) -> ModelPruner:
    meta_model, ids = (
        MetaModel.open(model, torch.float32, torch.device("cpu")),
        (WINDOWS, EVALUATION),
    )
    return ModelPruner(meta_model, NEURONS, *ids, out, token_loss, measurements=measurements)
