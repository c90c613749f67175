"""Sweeps that remove experts, compared with the dense model and with plain transformers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.models import random_ids
from tests.worker.pruning.experts.cutting import cut, recipe
from tests.worker.pruning.experts.mixtures import (
    EXPERTS,
    MIXTURES,
    SIGMOID,
    SOFTMAX,
    router_of,
    write_mixture,
)
from tests.worker.pruning.sweeps import CALIBRATION, EVALUATION, tensors
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.job_shapes import plan_pruning
from worker.pruning.sweep.results import BlockResult

KEPT = 4


def kept_of(reports: list[BlockResult]) -> dict[int, tuple[int, ...]]:
    return {block.index: block.experts.kept for block in reports if block.experts is not None}


def loaded(folder: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, experts_implementation="eager").eval()


def mixtures_of(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that have a router and experts, in the order of the blocks."""
    yield from (module for module in model.modules() if hasattr(module, "experts"))


@contextmanager
def masked(router: nn.Module, kept: tuple[int, ...]) -> Iterator[None]:
    """Set the logits of a router of the other experts to −∞ as it computes them."""
    removed = [expert for expert in range(EXPERTS) if expert not in kept]
    linear, run = nn.functional.linear, router.forward

    def masking(*args: Tensor) -> Tensor:
        return linear(*args).index_fill(-1, torch.tensor(removed), -torch.inf)

    def forward(hidden: Tensor) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nn.functional, "linear", masking)
            return run(hidden)

    router.forward = forward
    try:
        yield
    finally:
        del router.forward


@pytest.mark.parametrize("family", MIXTURES)
def test_every_tensor_that_stays_is_the_dense_one_byte_for_byte(
    tmp_path: Path, family: str
) -> None:
    dense = write_mixture(tmp_path / "dense", family)
    reports, _ = cut(dense, tmp_path / "out", ExpertSettings(0.5))
    before, after = tensors(dense), tensors(tmp_path / "out")
    assert len(kept_of(reports)) == 2
    cut_names = set[str]()
    for name, value in after.items():
        block = next((part for part in name.split(".") if part.isdigit()), "")
        kept = kept_of(reports).get(int(block)) if block and "visual" not in name else None
        source = before[name]
        if ".experts." in name and (number := name.split(".experts.")[1].split(".")[0]).isdigit():
            assert kept is not None
            source = before[name.replace(f".experts.{number}.", f".experts.{kept[int(number)]}.")]
            cut_names.add(name)
        elif kept is not None and source.shape != value.shape:
            assert source.shape[0] == EXPERTS
            source = source[list(kept)]
            cut_names.add(name)
        assert source.dtype == value.dtype
        assert torch.equal(source.view(torch.uint8), value.contiguous().view(torch.uint8)), name
    assert len(cut_names) >= 6
    assert sum(value.numel() for value in before.values()) - sum(
        value.numel() for value in after.values()
    ) == sum(block.parameters_removed for block in reports)


@pytest.mark.parametrize("family", MIXTURES)
def test_plain_transformers_loads_the_folder_and_has_the_reported_loss(
    tmp_path: Path, family: str
) -> None:
    dense = write_mixture(tmp_path / "dense", family)
    _, result = cut(dense, tmp_path / "out", ExpertSettings(0.5))
    with torch.no_grad():
        logits = loaded(tmp_path / "out")(EVALUATION).logits[:, :-1]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), EVALUATION[:, 1:].flatten())
    assert result.pruned_loss == pytest.approx(float(loss), rel=1e-5)
    assert result.pruned_loss != result.dense_loss


@pytest.mark.parametrize("family", SOFTMAX)
def test_logits_are_those_of_the_dense_model_without_the_removed_router_logits(
    tmp_path: Path, family: str
) -> None:
    dense = write_mixture(tmp_path / "dense", family)
    reports, _ = cut(dense, tmp_path / "out", ExpertSettings(0.5))
    whole, (first, second) = loaded(dense), kept_of(reports).values()
    routers = [router_of(mixture) for mixture in mixtures_of(whole)]
    with torch.no_grad(), masked(routers[0], first), masked(routers[1], second):
        expected = whole(EVALUATION).logits
        actual = loaded(tmp_path / "out")(EVALUATION).logits
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("family", SIGMOID)
def test_routers_with_groups_choose_among_what_stays_of_each_group(
    tmp_path: Path, family: str
) -> None:
    """A sigmoid of −∞ is 0, which a correction may raise again, so the correction is −∞ here."""
    dense = write_mixture(tmp_path / "dense", family)
    reports, _ = cut(dense, tmp_path / "out", ExpertSettings(0.5))
    whole = loaded(dense)
    for mixture, kept in zip(mixtures_of(whole), kept_of(reports).values(), strict=True):
        assert [sum(expert < EXPERTS // 2 for expert in kept), len(kept)] == [KEPT // 2, KEPT]
        correction = router_of(mixture).get_buffer("e_score_correction_bias")
        correction[[expert for expert in range(EXPERTS) if expert not in kept]] = -torch.inf
    with torch.no_grad():
        expected = whole(EVALUATION).logits
        actual = loaded(tmp_path / "out")(EVALUATION).logits
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


@pytest.mark.parametrize(
    ("family", "bias"),
    [("gpt-oss-bias", "router.bias"), ("deepseek-v3-groups", "e_score_correction_bias")],
)
def test_experts_without_tokens_go_first_and_no_calibration_logit_changes(
    tmp_path: Path, family: str, bias: str
) -> None:
    dense, unused = write_mixture(tmp_path / "dense", family), [1, 2, 5, 7]
    model = loaded(dense)
    for name, value in model.state_dict().items():
        if name.endswith(bias):
            value[unused] = -1e4
    model.save_pretrained(dense)
    windows = random_ids(6, 16, seed=3)
    reports, _ = cut(dense, tmp_path / "out", ExpertSettings(0.5), windows)
    for block in reports:
        if block.experts is not None:
            assert block.experts.kept == (0, 3, 4, 6)
            assert [block.experts.tokens[expert] for expert in unused] == [0] * 4
            assert block.experts.gate_removed == block.experts.unrouted == 0
    with torch.no_grad():
        assert torch.equal(loaded(tmp_path / "out")(windows).logits, model(windows).logits)


def test_frequency_removes_the_experts_with_the_fewest_tokens(tmp_path: Path) -> None:
    dense = write_mixture(tmp_path / "dense", "mixtral")
    reports, _ = cut(dense, tmp_path / "out", ExpertSettings(0, 5, "frequency"))
    for block in reports:
        assert block.experts is not None
        tokens = block.experts.tokens
        assert block.experts.scores == tokens
        assert sum(tokens) == 2 * CALIBRATION[:24].numel()
        gone = [count for at, count in enumerate(tokens) if at not in block.experts.kept]
        assert sorted(gone) == sorted(tokens)[:3]


@pytest.mark.parametrize("family", ["qwen3-moe", "deepseek-v3-groups"])
def test_scores_of_the_dense_model_are_those_of_a_whole_forward(
    tmp_path: Path, family: str
) -> None:
    dense = write_mixture(tmp_path / "dense", family)
    whole, ids = loaded(dense), CALIBRATION[:24]
    norms = list[list[float]]()
    for experts in (mixture.get_submodule("experts") for mixture in mixtures_of(whole)):
        seen: list[tuple[Tensor, ...]] = []
        handle = experts.register_forward_pre_hook(lambda _, args, s=seen: s.append(args))
        with torch.no_grad():
            whole(ids)
        handle.remove()
        ((hidden, chosen, weights),) = seen
        sums, counts = torch.zeros(2, EXPERTS, dtype=torch.float64)
        for place in range(chosen.shape[1]):
            index = chosen[:, place]
            with torch.no_grad():
                alone = experts(hidden, index[:, None], torch.ones(len(index), 1))
            sums.index_add_(0, index, weights[:, place].double() * alone.double().norm(dim=-1))
            counts.index_add_(0, index, torch.ones(len(index), dtype=torch.float64))
        norms.append((sums / counts).tolist())
    reports, _ = cut(dense, tmp_path / "out", ExpertSettings(0.5, from_dense=True))
    scores = [block.experts.scores for block in reports if block.experts is not None]
    for own, expected in zip(scores, norms, strict=True):
        assert own == pytest.approx(expected, rel=1e-4)
    pruned, _ = cut(dense, tmp_path / "fused", ExpertSettings(0.5))
    first, second = [block.experts.scores for block in pruned if block.experts is not None]
    assert first == pytest.approx(norms[0], rel=1e-4)
    assert second != pytest.approx(norms[1], rel=1e-4)


def test_a_nested_config_has_its_own_number_changed_and_nothing_else(tmp_path: Path) -> None:
    dense = write_mixture(tmp_path / "dense", "qwen3.5-moe-nested")
    cut(dense, tmp_path / "out", ExpertSettings(0.5))
    before, after = (
        json.loads((folder / "config.json").read_text()) for folder in (dense, tmp_path / "out")
    )
    assert before["text_config"].pop("num_experts") == EXPERTS
    assert after["text_config"].pop("num_experts") == KEPT
    assert before == after


def test_a_head_that_transformers_does_not_load_is_left_out_with_its_experts(
    tmp_path: Path,
) -> None:
    dense = write_mixture(tmp_path / "dense", "deepseek-v3-groups")
    stored = load_file(dense / "model.safetensors")
    last = "model.layers.2."
    head = {
        name.replace(last, "model.layers.3."): value.clone()
        for name, value in stored.items()
        if name.startswith(last)
    }
    save_file(stored | head, dense / "model.safetensors", {"format": "pt"})
    reports, _ = cut(dense, tmp_path / "out", ExpertSettings(0.5))
    assert not set(tensors(tmp_path / "out")) & set(head)
    assert len(kept_of(reports)) == 2
    before, after = (
        json.loads((folder / "config.json").read_text()) for folder in (dense, tmp_path / "out")
    )
    assert (before["num_nextn_predict_layers"], after["num_nextn_predict_layers"]) == (1, 0)
    meta_model = MetaModel.open(dense, torch.float32, torch.device("cpu"))
    (removing,) = recipe(ExpertSettings(0.5)).stages
    _, warning = removing.warnings(meta_model)
    assert f"{len(head)} tensors of a head that predicts further tokens are left out" in warning
    plan = plan_pruning(meta_model, recipe(ExpertSettings(0.5)), CALIBRATION, EVALUATION)
    written = Checkpoint.open(tmp_path / "out")
    assert plan.artifact_bytes == written.size_bytes(written.tensors)


def test_a_head_without_experts_is_copied(tmp_path: Path) -> None:
    dense = write_mixture(tmp_path / "dense", "mixtral")
    stored = load_file(dense / "model.safetensors")
    head = {"mtp.layers.0.mlp.gate_proj.weight": torch.ones(2, 2)}
    save_file(stored | head, dense / "model.safetensors", {"format": "pt"})
    cut(dense, tmp_path / "out", ExpertSettings(0.5))
    assert set(head) < set(tensors(tmp_path / "out"))


def test_the_number_is_changed_under_the_name_that_the_config_has(tmp_path: Path) -> None:
    dense = write_mixture(tmp_path / "dense", "qwen3-moe")
    path = dense / "config.json"
    written = json.loads(path.read_text())
    hub = {name: value for name, value in written.items() if name != "num_local_experts"}
    path.write_text(json.dumps(hub | {"num_experts": EXPERTS}))
    cut(dense, tmp_path / "out", ExpertSettings(0.5))
    after = json.loads((tmp_path / "out" / "config.json").read_text())
    assert after == hub | {"num_experts": KEPT}
