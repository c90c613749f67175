"""Whole recoveries of small models."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, VOCABULARY, write_model
from tests.worker.pruning.sweeps import tensors
from tests.worker.recovery.recoveries import (
    EVALUATION,
    HELD_OUT,
    OF_MATRICES,
    STEPS,
    TRAINING,
    TWO_OF_FOUR,
    Models,
    Recovered,
    finish,
    matrices,
    open_recovery,
    prune,
    recovery_of,
    text,
)
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import InsufficientMemoryError, NotFiniteError, RecoveryError
from worker.pruning.base.masking import count_zeros
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.model_pair import check_pair
from worker.recovery.recover import ModelRecovery
from worker.recovery.settings import Kind, Recovery


def zeros_of(models: Models, folder: Path) -> dict[str, Tensor]:
    return {name: value == 0 for name, value in matrices(models, tensors(folder))}


@pytest.mark.parametrize("kind", OF_MATRICES)
def test_the_held_out_loss_falls_and_zeros_stay(
    models: Models, finished: Recovered, kind: Kind
) -> None:
    out, result = finished(kind).out, finished(kind).result

    assert result.held_out_after < 0.97 * result.held_out_before
    assert result.evaluation_loss_before == pytest.approx(models.pruned_loss, rel=1e-6)
    assert result.evaluation_loss_after is not None
    assert result.evaluation_loss_before is not None
    assert result.evaluation_loss_after < result.evaluation_loss_before
    assert not result.kept_start
    before, after = tensors(models.pruned), tensors(out)
    assert {name: (one.dtype, one.shape) for name, one in after.items()} == {
        name: (one.dtype, one.shape) for name, one in before.items()
    }
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {"lm_head.weight", "model.embed_tokens.weight"}
    zeros, moved = zeros_of(models, models.pruned), 0
    for name, found in zeros_of(models, out).items():
        moved += int((found != zeros[name]).sum())
        assert int(found.sum()) == int(zeros[name].sum()), name
        assert kind == "ast" or torch.equal(found, zeros[name]), name
        assert not bool(after[name].signbit()[found].any()), name
    places = sum(one.numel() for one in zeros.values())
    assert result.mask_moved == (moved / places if kind == "ast" else None)
    assert bool(moved) == (kind == "ast")


@pytest.mark.parametrize("kind", ["masked", "ast"])
def test_two_of_four_stays_two_of_four(dense: Path, tmp_path: Path, kind: Kind) -> None:
    models = prune(dense, tmp_path / "pruned", TWO_OF_FOUR, skip=("*.down_proj",))
    out = tmp_path / "out"
    finish(open_recovery(models, out, recovery_of(kind)))
    changed = 0
    before = tensors(models.pruned)
    for name, value in matrices(models, tensors(out)):
        kept = (value.view(-1, 4) != 0).sum(1)
        assert bool((kept == (4 if "down_proj" in name else 2)).all()), name
        changed += not torch.equal(value == 0, before[name] == 0)
    assert bool(changed) == (kind == "ast")


def test_the_result_is_a_checkpoint_that_transformers_loads(
    models: Models, finished: Recovered, tmp_path: Path
) -> None:
    result = finished("spp").result
    out = shutil.copytree(finished("spp").out, tmp_path / "out")
    shutil.copy(models.dense / "config.json", out)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
    with torch.no_grad():
        logits = model(EVALUATION, use_cache=False).logits[:, :-1].flatten(0, 1)
    loss = float(token_loss(logits, EVALUATION[:, 1:].flatten()).mean())
    assert loss == pytest.approx(result.evaluation_loss_after, rel=1e-5)
    assert {shard.name for shard in result.shards} == {path.name for path in out.glob("model-*")}


def test_progress_covers_all_stages_in_order(finished: Recovered) -> None:
    seen, result = finished("masked").progress, finished("masked").result

    stages = list(dict.fromkeys(one.stage for one in seen))
    assert stages == ["teacher", "evaluating", "training"]  # and evaluating again
    training = [one for one in seen if one.stage == "training"]
    assert [one.step for one in training] == list(range(STEPS + 1))
    assert training[-1].tokens == result.tokens == STEPS * 64
    assert [one.step for one in training if one.held_out_loss is not None] == [
        *range(0, STEPS + 1, 2)
    ]
    points = [(point.step, point.loss, point.held_out_loss) for point in result.curve]
    assert points == [(one.step, one.loss, one.held_out_loss) for one in training]
    for stage in stages:
        last = [one for one in seen if one.stage == stage][-1]
        assert last.step == last.steps


def test_a_model_that_gets_no_better_is_kept(models: Models, tmp_path: Path) -> None:
    recovery = replace(recovery_of("masked"), learning_rate=1.0)
    out = tmp_path / "out"
    result = finish(open_recovery(models, out, recovery))
    assert result.kept_start
    assert result.best_step == 0
    assert result.held_out_after == result.held_out_before
    assert result.evaluation_loss_after == result.evaluation_loss_before
    before, after = tensors(models.pruned), tensors(out)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_best_state_is_written_rather_than_the_last_and_training_stops(
    models: Models, tmp_path: Path
) -> None:
    recovery = replace(recovery_of("masked"), learning_rate=0.01)
    few = text(4, seed=1)  # so that they are learned by heart
    result = finish(_open(models.dense, models.pruned, tmp_path, recovery, training=few))
    measured = {
        point.step: point.held_out_loss for point in result.curve if point.held_out_loss is not None
    }
    assert 0 < result.best_step < result.steps < STEPS
    assert measured[result.best_step] == min(measured.values()) == result.held_out_after


def test_each_text_of_a_mix_has_a_held_out_loss_of_its_own(models: Models, tmp_path: Path) -> None:
    sources, recovery = (0, 1, 1, 0, 1, 1, 1, 1), recovery_of("masked", 1)
    parts = [HELD_OUT, *(HELD_OUT[torch.tensor(sources) == text] for text in (0, 1))]
    given = [(parts[0], sources), (parts[1], ()), (parts[2], ())]
    mixed, *alone = (
        finish(_open(models.dense, models.pruned, tmp_path, recovery, held_out=part, sources=of))
        for part, of in given
    )
    start = mixed.curve[0]
    assert start.held_out_of_sources == pytest.approx([one.held_out_before for one in alone])
    mean = (2 * alone[0].held_out_before + 6 * alone[1].held_out_before) / 8
    assert start.held_out_loss == mixed.held_out_before == pytest.approx(mean)
    assert alone[0].curve[0].held_out_of_sources is None


@pytest.mark.parametrize("kind", OF_MATRICES)
def test_a_half_precision_checkpoint_keeps_its_dtype_and_zeros(
    dense: Path, tmp_path: Path, kind: Kind
) -> None:
    half = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.bfloat16)
    half.save_pretrained(tmp_path / "dense")
    models = prune(tmp_path / "dense", tmp_path / "pruned")
    out = tmp_path / "out"
    result = finish(open_recovery(models, out, recovery_of(kind), torch.bfloat16))
    assert result.held_out_after < result.held_out_before
    before = dict(matrices(models, tensors(models.pruned)))
    for name, value in matrices(models, tensors(out)):
        assert value.dtype == torch.bfloat16
        assert count_zeros(value) == count_zeros(before[name]), name


def test_micro_batches_give_nearly_the_same_losses(
    models: Models, finished: Recovered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = finished("masked").result
    monkeypatch.setattr("worker.recovery.planning.plan._MICRO_BATCH_TOKENS", {"cpu": 16})
    parts = finish(open_recovery(models, tmp_path / "parts", recovery_of("masked")))
    assert parts.plan.setting.micro_batch_windows == 1
    assert parts.held_out_after == pytest.approx(whole.held_out_after, rel=1e-3)


def test_the_seed_decides_the_order_of_the_windows(models: Models, tmp_path: Path) -> None:
    first, second = (
        finish(open_recovery(models, tmp_path / str(seed), recovery_of("masked", 4), seed=seed))
        for seed in (0, 1)
    )
    assert first.held_out_before == second.held_out_before
    assert first.curve[1].loss != second.curve[1].loss


def test_ast_without_a_pattern_is_refused(models: Models, tmp_path: Path) -> None:
    with pytest.raises(RecoveryError, match=r"recover ast changes the mask.*set recover to masked"):
        _open(models.dense, models.pruned, tmp_path, recovery_of("ast"))


def test_ast_of_a_smaller_model_is_refused(models: Models, tmp_path: Path) -> None:
    """It would start with the weights of the dense model, whose shapes are others."""
    config = FAMILIES["llama"].to_dict() | {"intermediate_size": 16}
    smaller = write_model(tmp_path / "smaller", type(FAMILIES["llama"])(**config))
    device = torch.device("cpu")
    dense, pruned = (
        MetaModel.open(folder, torch.float32, device) for folder in (models.dense, smaller)
    )
    with pytest.raises(RecoveryError, match=r"ast starts from the dense.*set recover to masked"):
        check_pair(dense, pruned, recovery_of("ast"), models.pattern)
    check_pair(dense, pruned, recovery_of("masked"), models.pattern)


def test_another_dense_model_is_refused(models: Models, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", FAMILIES["gpt2-conv1d"])
    with pytest.raises(RecoveryError, match="have different parameters"):
        ModelRecovery(
            MetaModel.open(other, torch.float32, torch.device("cpu")),
            MetaModel.open(models.dense, torch.float32, torch.device("cpu"), weights=models.pruned),
            recovery_of("masked"),
            models.pattern,
            TRAINING,
            HELD_OUT,
            EVALUATION,
            tmp_path,
            token_loss,
            seed=0,
        )


def test_a_model_that_does_not_fit_is_refused_before_any_work(
    models: Models, tmp_path: Path
) -> None:
    with pytest.raises(InsufficientMemoryError, match=r"recover masked needs .*refine to true"):
        _open(models.dense, models.pruned, tmp_path, recovery_of("masked"), budget=1 << 20)
    assert not list(tmp_path.iterdir())


def test_without_evaluation_windows_no_loss_is_measured(models: Models, tmp_path: Path) -> None:
    recovery = _open(
        models.dense, models.pruned, tmp_path, recovery_of("masked", 2), evaluation=EVALUATION[:0]
    )
    result = finish(recovery)
    assert (result.evaluation_loss_before, result.evaluation_loss_after) == (None, None)


def test_a_gradient_that_is_not_finite_ends_the_training(models: Models, tmp_path: Path) -> None:
    unseen = torch.ones(VOCABULARY, 1, dtype=torch.bool)
    unseen[HELD_OUT.flatten()] = False  # else the held-out loss is the first that is not finite
    pruned = _damaged(models, tmp_path, "model.embed_tokens.weight", unseen)
    recovery = _open(models.dense, pruned, tmp_path, recovery_of("masked"), EVALUATION[:0])
    with pytest.raises(NotFiniteError, match="gradient of training step 1 contains NaN"):
        finish(recovery)


def test_a_held_out_loss_that_is_not_finite_starts_no_training(
    models: Models, tmp_path: Path
) -> None:
    pruned = _damaged(models, tmp_path, "model.norm.weight", torch.tensor(True))
    recovery = _open(models.dense, pruned, tmp_path, recovery_of("masked"), EVALUATION[:0])
    with pytest.raises(NotFiniteError, match="the held-out loss before the training contains NaN"):
        finish(recovery)


def _damaged(models: Models, folder: Path, name: str, places: Tensor) -> Path:
    """Return a copy of the pruned model in which some numbers of a tensor are NaN."""
    pruned = folder / "pruned"
    shutil.copytree(models.pruned, pruned)
    for file in pruned.glob("*.safetensors"):
        stored = load_file(file)
        if name in stored:
            save_file(stored | {name: stored[name].masked_fill(places, torch.nan)}, file)
    return pruned


def _open(
    dense: Path,
    pruned: Path,
    out: Path,
    recovery: Recovery,
    evaluation: Tensor = EVALUATION,
    training: Tensor = TRAINING,
    budget: int | None = None,
    held_out: Tensor = HELD_OUT,
    sources: tuple[int, ...] = (),
) -> ModelRecovery:
    device = torch.device("cpu")
    return ModelRecovery(
        MetaModel.open(dense, torch.float32, device),
        MetaModel.open(dense, torch.float32, device, weights=pruned),
        recovery,
        None,
        training,
        held_out,
        evaluation,
        out,
        token_loss,
        seed=0,
        memory_budget_bytes=budget,
        sources=sources,
    )
