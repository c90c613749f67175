"""What an earlier job has measured of the dense model is not measured again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.experts.mixtures import write_mixture
from tests.worker.pruning.sweep.resuming import EXPERTS_OF_DENSE, OF_DENSE
from tests.worker.pruning.sweeps import sweep
from worker.pruning.base.durable_files import sha256
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, LastTokens
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.recipe.recipe import Recipe
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
