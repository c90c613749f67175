"""Recoveries that several processes share."""

from functools import partial
from pathlib import Path

import pytest
import torch

from tests.worker.pruning.sweeps import tensors
from tests.worker.recovery.mixtures import without_half
from tests.worker.recovery.rank_tasks import Results, recover_all
from tests.worker.recovery.recoveries import (
    Models,
    digests,
    finish,
    matrices,
    open_recovery,
    recovery_of,
)
from worker.pruning.base.generators import run_to_end
from worker.pruning.distributed.launcher import launch
from worker.recovery.settings import Kind

pytestmark = pytest.mark.process
OF_MATRICES: tuple[Kind, ...] = ("masked", "spp", "ast")
KINDS: tuple[Kind, ...] = (*OF_MATRICES, "router")
TWO = (torch.device("cpu"),) * 2


@pytest.fixture(scope="module")
def by_kind(models: Models, tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, Models]:
    """The models that are recovered; of the mixture, a block has no router."""
    mixture = without_half(tmp_path_factory.mktemp("mixture"), "deepseek-v3-groups")
    return {**dict.fromkeys(OF_MATRICES, models), "router": mixture}


@pytest.fixture(scope="module")
def undisturbed(
    by_kind: dict[Kind, Models], tmp_path_factory: pytest.TempPathFactory, forked_ranks: None
) -> tuple[Path, Results]:
    out = tmp_path_factory.mktemp("two")
    return out, run_to_end(launch(partial(recover_all, by_kind, out), TWO))


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_train_nearly_as_one_does(
    by_kind: dict[Kind, Models], undisturbed: tuple[Path, Results], tmp_path: Path, kind: Kind
) -> None:
    (out, results), models = undisturbed, by_kind[kind]
    one = finish(open_recovery(models, tmp_path / "one", recovery_of(kind, 12)))
    two = results[kind]
    assert two.steps == one.steps
    assert two.tokens == one.tokens
    assert two.held_out_before == pytest.approx(one.held_out_before, rel=1e-5)
    assert two.held_out_after == pytest.approx(one.held_out_after, rel=1e-3)
    assert two.evaluation_loss_after == pytest.approx(one.evaluation_loss_after, rel=1e-3)
    before = dict(matrices(models, tensors(models.pruned)))
    for name, value in matrices(models, tensors(out / kind)):
        assert int((value == 0).sum()) == int((before[name] == 0).sum()), name
        assert kind == "ast" or torch.equal(value == 0, before[name] == 0), name


def test_two_processes_that_are_killed_resume_with_the_same_bytes(
    by_kind: dict[Kind, Models], undisturbed: tuple[Path, Results], tmp_path: Path
) -> None:
    out, results = undisturbed
    kinds: tuple[Kind, ...] = ("ast", "router")  # masks are gathered, and few rows are divided
    models = {kind: by_kind[kind] for kind in kinds}
    steps = launch(partial(recover_all, models, tmp_path), TWO)
    for kind, progress in steps:
        if (kind, progress.stage, progress.step) == ("ast", "training", 7):
            steps.close()  # this kills them
            break

    again = run_to_end(launch(partial(recover_all, models, tmp_path), TWO))

    assert again["ast"].resumed_from_step == 7
    assert again == {kind: results[kind] for kind in kinds}
    for kind in kinds:
        assert digests(tmp_path / kind) == digests(out / kind)
