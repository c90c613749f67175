"""A stage that no other code knows: it is planned, checked, run last, and written."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from tests.models import FAMILIES, write_model
from tests.worker.pruning.sweeps import CALIBRATION, EVALUATION, sweep, tensors
from worker.pruning.base.errors import SkipError
from worker.pruning.base.increments import Increment
from worker.pruning.base.shapes import BlockShape
from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.calibration.calibrated_block import CalibratedBlock, Calibration
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.memory_model import memory_by_phase
from worker.pruning.planning.stage_work import MemoryParts, PhaseMemory, StageWork
from worker.pruning.planning.workload import Propagation, Setting
from worker.pruning.refinement.results import RefinementResult
from worker.pruning.structure.depth import Depth
from worker.pruning.sweep.job_shapes import model_shape, workload
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.recipe.stage import BlockStage, StagedModel, StageResult, SweepStage


class ScalingWork(StageWork):
    phase = "scaling"
    passes = 1

    def memory(self, index: int, block: BlockShape, parts: MemoryParts) -> PhaseMemory:
        return parts.block_phase(block, parts.forward())


@dataclass(frozen=True)
class Scaling(SweepStage, BlockStage):
    """Multiplies all layers by a factor."""

    goes_with_removal = False
    factor: float

    def check(self, model: StagedModel) -> None:
        if self.factor == 0:
            raise SkipError("no layer would be left", "take another factor")

    def work(self, model: StagedModel) -> StageWork:
        return ScalingWork()

    def open(self, model: StagedModel, calibration: Calibration) -> BlockStage:
        return self

    def run(
        self, pruned: CalibratedBlock, layers: Sequence[LinearLayer], *, advances: bool
    ) -> Generator[StageProgress, None, StageResult]:
        for layer in layers:
            pruned.stored[layer.weight_name].mul_(self.factor)
            layer.copy_from(pruned.stored[layer.weight_name])
        yield StageProgress(pruned.index, 1, 1)
        if advances:
            pruned.advance()
        return StageResult({"refinement": RefinementResult(1.0, self.factor, 0.0)})


HALF = Recipe(get_scorer("magnitude"), Unstructured(0.5))
TWICE = replace(HALF, skip=("*.q_proj",), stages=(Scaling(2.0), Scaling(0.25)))


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    return write_model(tmp_path / "dense", FAMILIES["llama"])


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_stages_change_the_layers_that_are_not_skipped_and_add_to_the_result(
    dense: Path, tmp_path: Path, propagation: Propagation
) -> None:
    plain = replace(HALF, skip=TWICE.skip, propagation=propagation)
    sweep(dense, tmp_path / "plain", plain)
    reports, _ = sweep(dense, tmp_path / "scaled", replace(plain, stages=TWICE.stages))
    before, after = tensors(tmp_path / "plain"), tensors(tmp_path / "scaled")
    scaled = {f"{block.name}.{layer.name}" for block in reports for layer in block.layers}
    assert 0 < len(scaled) < len(before)
    for name, value in before.items():
        assert torch.equal(after[name], value / 2 if name in scaled else value)
    added = {block.refinement and block.refinement.held_out_after for block in reports}
    assert added == {0.25}  # of the last stage


def test_a_stage_has_a_phase_of_its_own(dense: Path) -> None:
    model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    work = workload(model, TWICE, CALIBRATION, EVALUATION)
    phases = memory_by_phase(model_shape(model, TWICE), work, Setting("fused", 512, spills=False))
    assert list(phases) == ["embedding", "blocks", "scaling", "rest", "losses"]


def test_a_stage_that_does_not_fit_the_model_is_refused_before_any_work(dense: Path) -> None:
    model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    with pytest.raises(SkipError, match="no layer would be left"):
        check_recipe(replace(HALF, stages=(Scaling(0.0),)), model)


def test_a_stage_that_does_not_keep_zeros_cannot_follow_a_removal() -> None:
    with pytest.raises(ValueError, match="zeros in a sweep"):
        Recipe(None, Unstructured(0.0), removal=Depth(0.5), stages=(Scaling(2.0),))


def test_a_stage_is_whole_in_each_increment_unless_it_is_divided() -> None:
    assert Scaling(2.0).at(Increment(1, 4)) == Scaling(2.0)
