"""Mixtures that have lost experts, and whose routers are trained."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from db.spec.options.recover import RecoverSpec
from tests.models import FAMILIES, write_model
from tests.worker.pruning.experts.mixtures import write_mixture
from tests.worker.pruning.sweeps import tensors
from tests.worker.recovery.mixtures import without_half
from tests.worker.recovery.recoveries import (
    BATCH_TOKENS,
    EVALUATION,
    HELD_OUT,
    TRAINING,
    digests,
    finish,
    recovery_of,
    recovery_settings,
)
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import RecoveryError
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.kinds.router import check_routers, router_parameters
from worker.recovery.optimizer import schedule
from worker.recovery.recover import ModelRecovery
from worker.recovery.results import RecoveryProgress
from worker.recovery.settings import Recovery
from worker.recovery.windows import RecoveryWindows

CPU = torch.device("cpu")
Folders = Callable[[str], tuple[Path, Path]]
TRAINED = {
    "mixtral": ("mlp.gate.weight",),
    "qwen3-moe": ("mlp.gate.weight",),
    "qwen3.5-moe-nested": ("mlp.gate.weight",),
    "gpt-oss-bias": ("mlp.router.weight", "mlp.router.bias"),
    "granite-moe": ("block_sparse_moe.router.weight",),
    "olmoe": ("mlp.gate.weight",),
    "deepseek-v3-groups": ("mlp.gate.weight",),
    "glm4-moe-groups": ("mlp.gate.weight",),
}


def open_recovery(dense: Path, smaller: Path, out: Path, recovery: Recovery) -> ModelRecovery:
    out.mkdir(exist_ok=True)
    return ModelRecovery(
        MetaModel.open(dense, torch.float32, CPU),
        MetaModel.open(smaller, torch.float32, CPU),
        recovery,
        None,
        TRAINING,
        HELD_OUT,
        EVALUATION,
        out,
        token_loss,
        seed=0,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folders of a mixture that has learned, and of it with half of its experts, by family."""

    @cache
    def written(family: str) -> tuple[Path, Path]:
        models = without_half(tmp_path_factory.mktemp(family), family)
        return models.dense, models.pruned

    return written


@pytest.mark.parametrize("family", TRAINED)
def test_the_parameters_that_choose_experts_are_found(tmp_path: Path, family: str) -> None:
    model = MetaModel.open(write_mixture(tmp_path, family), torch.float32, CPU)
    *_, last = model.blocks
    assert tuple(router_parameters(last)) == TRAINED[family]


@pytest.mark.parametrize("family", ["mixtral", "qwen3-moe", "gpt-oss-bias", "deepseek-v3-groups"])
def test_routers_alone_learn_and_all_other_tensors_stay(
    folders: Folders, tmp_path: Path, family: str
) -> None:
    dense, smaller = folders(family)

    result = finish(open_recovery(dense, smaller, tmp_path / "out", routers(12, rate=1e-2)))

    assert result.held_out_after < 0.97 * result.held_out_before
    before, after = tensors(smaller), tensors(tmp_path / "out")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert len(changed) == 2 * len(TRAINED[family])  # two blocks have experts
    assert all(name.endswith(("gate.weight", "router.weight", "router.bias")) for name in changed)


def test_a_resumed_run_writes_the_same_bytes(folders: Folders, tmp_path: Path) -> None:
    dense, smaller = folders("deepseek-v3-groups")
    left = tmp_path / "left"

    def copy(progress: RecoveryProgress) -> None:
        if (progress.stage, progress.step) == ("training", 3):
            shutil.copytree(tmp_path / "out", left)

    steps = routers(6, rate=1e-2)
    undisturbed = finish(open_recovery(dense, smaller, tmp_path / "out", steps), copy)
    again = open_recovery(dense, smaller, left, steps)
    assert again.resumed_from_step == 3
    assert finish(again) == undisturbed
    assert digests(left) == digests(tmp_path / "out")


@pytest.mark.parametrize("family", ["qwen3-moe", "deepseek-v3-groups"])
def test_the_steps_are_those_of_a_second_writing_at_the_default_values(
    folders: Folders, tmp_path: Path, family: str
) -> None:
    dense, smaller = folders(family)
    spec, steps = RecoverSpec(kind="router"), 4
    assert (spec.kl, spec.temperature, spec.lr) == (1, 1, None)
    recovery = recovery_settings(
        spec.kind, steps * BATCH_TOKENS, spec.lr, spec.kl, spec.temperature
    )

    result = finish(open_recovery(dense, smaller, tmp_path / "out", recovery))

    assert result.best_step == steps
    windows = RecoveryWindows.of(TRAINING, HELD_OUT, recovery, seed=0)
    teacher, student = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for folder in (dense, smaller)
    )
    trained = {
        name: value.requires_grad_()
        for name, value in student.requires_grad_(False).named_parameters()
        if name.endswith("gate.weight")
    }
    adam = torch.optim.AdamW(trained.values(), betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(steps):
        ids = windows.ids[windows.of_step(step)]
        with torch.no_grad():  # stored in half precision
            known = predictions(teacher, ids).half().float().log_softmax(-1)
        loss = nn.functional.kl_div(
            predictions(student, ids), known, log_target=True, reduction="batchmean"
        )
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(trained.values(), 1.0)
        adam.param_groups[0]["lr"] = 5e-5 * schedule(step, steps, 0.05)
        adam.step()
        adam.zero_grad()
    before, after = tensors(smaller), tensors(tmp_path / "out")
    for name, value in trained.items():
        moved = value.detach() - before[name]
        assert moved.norm() > 1e-4
        assert (after[name] - value.detach()).norm() < 0.02 * moved.norm(), name


def test_a_model_without_routers_is_refused(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    model = MetaModel.open(dense, torch.float32, CPU)
    with pytest.raises(RecoveryError, match=r"'llama' has none.*set recover to masked") as refused:
        check_routers(model.blocks, model.config.model_type)
    assert refused.value.field == "recover"
    with pytest.raises(RecoveryError, match="'llama' has none"):
        open_recovery(dense, dense, tmp_path / "out", recovery_of("router"))


def predictions(model: nn.Module, ids: Tensor) -> Tensor:
    """Return the log-probabilities of all next tokens, ``[predicted, vocabulary]``."""
    logits: Tensor = model(ids, use_cache=False).logits
    return logits[:, :-1].flatten(0, 1).log_softmax(-1)


def routers(steps: int, rate: float) -> Recovery:
    return recovery_settings("router", BATCH_TOKENS * steps, rate, kl=1.0, temperature=1.0)
