"""Two ranks give the result of one."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import torch

from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.pruning.calibration.experts import Experts, Halver
from worker.evaluation.distance import token_distances
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.calibration.block_calibration import BlockCalibration
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.distributed.launcher import launch
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.allocation import OwlAllocation
from worker.pruning.methods.matrix_allocation import MatrixAllocation
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.quantization.scheme import Quantization
from worker.pruning.refinement.settings import Refinement
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.experts.removing import RemovingExperts
from worker.pruning.sweep.pipeline import ModelPruner, SweepStep
from worker.pruning.sweep.quantization.quantizing import Quantizing
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult, LayerResult, PruningResult

pytestmark = pytest.mark.process
CPU = torch.device("cpu")
HALF = Unstructured(0.5)
BATCH = 32  # windows of 16 tokens
RECIPES = {
    "fused": Recipe(get_scorer("zpruner"), HALF),
    "reference": Recipe(get_scorer("zpruner"), HALF, "reference"),
    "solver-fused": Recipe(get_scorer("wanda"), HALF, solver=get_solver("sparsegpt")),
    "solver-reference": Recipe(None, HALF, "reference", get_solver("alps")),
    "owl": Recipe(get_scorer("wanda"), HALF, allocation=OwlAllocation()),
    "matrix": Recipe(get_scorer("wanda"), HALF, allocation=MatrixAllocation()),
    "refined": Recipe(
        get_scorer("wanda"),
        HALF,
        solver=get_solver("sparsegpt"),
        correction=0.3,
        stages=(Refining(Refinement(steps=2, learning_rate=2e-3)),),
    ),
    "neurons": Recipe(
        None,
        Unstructured(0.0),
        correction=0.3,
        stages=(Refining(Refinement(steps=2, learning_rate=2e-3)),),
        removal=Neurons(0.2),
    ),
    "spared": Recipe(None, Unstructured(0.0), removal=Neurons(0.2, spared_windows=BATCH + 8)),
    "depth": Recipe(None, Unstructured(0.0), removal=Depth(1 / 3)),
    "adapt": Recipe(
        None,
        Unstructured(0.0),
        removal=MeasuredUnits(0.3, Adapt(steps=2, windows=96, tokens=16), uniform=False),
    ),
    "pgp": Recipe(
        None,
        Unstructured(0.0),
        removal=MeasuredUnits(0.3, Pgp(steps=2, windows=64, tokens=16, scored=64)),
    ),
    "quantized": Recipe(get_scorer("wanda"), HALF, stages=(Quantizing(Quantization(4)),)),
}
EXPERTS = RemovingExperts(ExpertSettings(0.5))
OF_MIXTURES = {
    "experts": Recipe(None, Unstructured(0.0), stages=(EXPERTS,)),
    "experts-spared": Recipe(None, Unstructured(0.0), stages=(replace(EXPERTS, second=BATCH + 8),)),
}


@dataclass(frozen=True)
class Case:
    """A recipe, and the numbers of calibration and evaluation windows."""

    name: str
    recipe: Recipe
    windows: int
    evaluated: int
    model: str = "dense"


# Five batches for two ranks, the last not full. In the idle cases there is one: rank 0 has none.
CASES = [Case(name, recipe, 4 * BATCH + 22, 2 * BATCH) for name, recipe in RECIPES.items()]
CASES += [
    Case(name, recipe, 4 * BATCH + 22, 2 * BATCH, "mixture") for name, recipe in OF_MIXTURES.items()
]
CASES += [
    Case("idle", RECIPES["fused"], BATCH, 3),
    Case("idle-solver-reference", RECIPES["solver-reference"], BATCH, 3),
]
Step = tuple[str, BlockResult | PruningResult]


def sweep_all(
    models: Path, root: Path, ranks: Ranks, device: torch.device
) -> Generator[Step, None, None]:
    """Yield the reports of all blocks and then the result, for each case, with the case's name."""
    for case in CASES:
        windows = random_ids(case.windows, 16, seed=1), random_ids(case.evaluated, 16, seed=2)
        meta_model = MetaModel.open(models / case.model, torch.float32, device)
        out = root / case.name
        steps = ModelPruner(
            meta_model,
            case.recipe,
            *windows,
            out,
            token_loss,
            ranks=ranks,
            token_distances=token_distances,
        ).run()
        while True:
            try:
                yield case.name, next(steps)
            except StopIteration as end:
                yield case.name, end.value
                break


@dataclass(frozen=True)
class Swept:
    """The outputs of one case, by one rank and by two."""

    folders: tuple[Path, Path]
    reports: tuple[list[BlockResult], list[BlockResult]]
    results: tuple[PruningResult, PruningResult]


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory, forked_ranks: None) -> dict[str, Swept]:
    """Sweep all cases at once: starting two processes takes longer than a sweep."""
    root = tmp_path_factory.mktemp("ranks")
    write_model(root / "dense", FAMILIES["llama"])
    write_model(root / "mixture", MIXTURES["qwen3-moe"])
    for case in CASES:
        (root / "one" / case.name).mkdir(parents=True)
        (root / "two" / case.name).mkdir(parents=True)
    one = list(sweep_all(root, root / "one", SINGLE_PROCESS, CPU))
    two = list(launch(partial(sweep_all, root, root / "two"), (CPU, CPU)))
    return {
        case.name: Swept(
            (root / "one" / case.name, root / "two" / case.name),
            (of_type(BlockResult, case, one), of_type(BlockResult, case, two)),
            (of_type(PruningResult, case, one)[0], of_type(PruningResult, case, two)[0]),
        )
        for case in CASES
    }


@pytest.fixture(params=[case.name for case in CASES])
def swept(request: pytest.FixtureRequest, every: dict[str, Swept]) -> Swept:
    return every[request.param]


def test_two_ranks_give_the_masks_of_one(swept: Swept) -> None:
    one, two = (Checkpoint.open(folder) for folder in swept.folders)
    assert one.tensors.keys() == two.tensors.keys()
    same = torch.cat(
        [((one.read(name) != 0) == (two.read(name) != 0)).flatten() for name in one.tensors]
    )
    assert same.double().mean() >= 0.9999


def test_two_ranks_report_the_counts_of_one(swept: Swept) -> None:
    one, two = swept.reports
    assert len(one) == 3
    assert [counts(report) for report in one] == [counts(report) for report in two]
    assert [report.removed for report in one] == [report.removed for report in two]
    assert [report.is_dropped for report in one] == [report.is_dropped for report in two]
    layers = [(report, layer) for report in two for layer in report.layers]
    assert all(layer.tokens and (layer.zeros or report.removed) for report, layer in layers)


def test_two_ranks_score_the_experts_as_one(swept: Swept) -> None:
    pairs = [(one.experts, two.experts) for one, two in zip(*swept.reports, strict=True)]
    for one, two in pairs:
        if one is not None and two is not None:
            assert two.scores == pytest.approx(one.scores, rel=1e-6)
            assert two.gate_removed == pytest.approx(one.gate_removed)
            assert replace(two, scores=one.scores, gate_removed=one.gate_removed) == one


def counts(report: BlockResult) -> list[LayerResult]:
    """Return the results of a block's layers without the figures that depend on rounding."""
    return [replace(layer, error=None, histogram=None) for layer in report.layers]


def test_two_ranks_measure_the_errors_of_one(swept: Swept) -> None:
    one, two = (
        [layer.error for report in reports for layer in report.layers if layer.error is not None]
        for reports in swept.reports
    )
    assert one == pytest.approx(two, rel=1e-3)


def test_two_ranks_measure_the_losses_of_one(swept: Swept) -> None:
    one, two = swept.results
    assert one.dense_loss == pytest.approx(two.dense_loss, rel=1e-9)
    assert one.pruned_loss == pytest.approx(two.pruned_loss, rel=1e-4)
    assert len(one.distances) == len(one.dense_losses)
    for window, same in zip(one.distances, two.distances, strict=True):
        assert window[:3] == pytest.approx(same[:3], rel=1e-3)
    for alone, shared in zip(*swept.reports, strict=True):
        assert alone.output_error == pytest.approx(shared.output_error, rel=1e-3)


def test_two_ranks_write_the_files_of_one(swept: Swept) -> None:
    one, two = ({file.name for file in folder.iterdir()} for folder in swept.folders)
    assert one == two


def test_two_ranks_killed_while_they_refine_resume_after_the_last_finished_block(
    tmp_path: Path, every: dict[str, Swept]
) -> None:
    swept, recipe = every["refined"], RECIPES["refined"]
    whole, result = swept.folders[1], swept.results[1]
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    (tmp_path / "broken").mkdir()
    broken = launch(partial(sweep_one, dense, tmp_path / "broken", recipe), (CPU, CPU))
    while not isinstance(next(broken), BlockResult):
        pass
    assert isinstance(next(broken), StageProgress)  # of the second block
    broken.close()

    again = list(launch(partial(sweep_one, dense, tmp_path / "broken", recipe), (CPU, CPU)))

    resumed = again[-1]
    assert isinstance(resumed, PruningResult)
    assert resumed.resumed_from_block  # rank 0 may have been ahead of what was read
    assert (resumed.dense_loss, resumed.pruned_loss) == (result.dense_loss, result.pruned_loss)
    for shard in whole.glob("*.safetensors"):
        assert shard.read_bytes() == (tmp_path / "broken" / shard.name).read_bytes()


def sweep_one(
    dense: Path, out: Path, recipe: Recipe, ranks: Ranks, device: torch.device
) -> Generator[SweepStep | PruningResult, None, None]:
    """Yield the reports of all blocks, with the progress between them, and then the result."""
    windows = random_ids(4 * BATCH + 22, 16, seed=1), random_ids(2 * BATCH, 16, seed=2)
    meta_model = MetaModel.open(dense, torch.float32, device)
    sweep = ModelPruner(meta_model, recipe, *windows, out, token_loss, ranks=ranks)
    yield (yield from sweep.steps())


@pytest.mark.usefixtures("forked_ranks")
def test_a_layer_that_one_rank_never_reaches_counts_the_tokens_of_the_other() -> None:
    for alone, shared in zip(
        route_all(SINGLE_PROCESS, CPU), launch(route_all, (CPU, CPU)), strict=True
    ):
        assert (
            alone.tokens
            == shared.tokens
            == {"first": 20, "experts.0": 5, "experts.1": 15, "experts.2": 0}
        )
        assert alone.sq_mean.keys() == shared.sq_mean.keys()
        for name, sq_mean in alone.sq_mean.items():
            torch.testing.assert_close(sq_mean, shared.sq_mean[name])


def route_all(ranks: Ranks, device: torch.device) -> Generator[Halver, None, None]:
    """Route with each propagation."""
    for propagation in ("fused", "reference"):
        yield route(propagation, ranks)


def route(propagation: str, ranks: Ranks) -> Halver:
    """Send the first of four batches to one expert and the others to the next."""
    torch.manual_seed(0)
    block, halver = Experts().requires_grad_(False), Halver()
    batches = ranks.share_of([(batch, min(i, 1)) for i, batch in enumerate(torch.randn(4, 5, 4))])
    layers, collector = linear_layers(block), InputCollector(InputMoments)
    calibration = BlockCalibration(
        layers, lambda i: block(*batches[i]), len(batches), halver, collector, ranks
    )
    if propagation == "fused":
        calibration.run_fused()
    else:
        calibration.run_reference()
    return halver


Kind = TypeVar("Kind", BlockResult, PruningResult)


def of_type(kind: type[Kind], case: Case, steps: list[Step]) -> list[Kind]:
    return [step for name, step in steps if name == case.name and isinstance(step, kind)]
