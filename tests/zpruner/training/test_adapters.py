"""With the real peft: training, merging, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn

from tests.models import random_ids
from tests.zpruner.training.sparse_models import OF_PEFT, prune, sparse_model, train
from zpruner.training import (
    AdapterError,
    KeepZerosCallback,
    NotSparseError,
    TrainingError,
    compare_sparsity,
    zero_masks,
)
from zpruner.training.adapters import mask_adapters, merge_adapters

pytestmark = pytest.mark.filterwarnings(OF_PEFT)
IDS = random_ids(4, 12, seed=3)
CONV1D = {"fan_in_fan_out": True}
NO_ZEROS = r"no layer with an adapter has a share of zeros of 0\.05 or more"


def adapted(model: nn.Module, **fields: Any) -> PeftModel:
    """Add adapters to all linear layers of the blocks, random ones rather than those of zero."""
    torch.manual_seed(1)
    defaults: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": "all-linear",
        "init_lora_weights": False,
    }
    return get_peft_model(model, LoraConfig(**defaults | fields))


@torch.no_grad()
def logits(model: nn.Module) -> Tensor:
    found: Tensor = model.eval()(IDS).logits
    return found


def test_a_lora_trained_model_keeps_every_zero_and_a_merge_by_peft_alone_loses_them(
    tmp_path: Path,
) -> None:
    masked, plain = (
        adapted(sparse_model(), init_lora_weights=True, lora_dropout=0.1) for _ in range(2)
    )
    masks = zero_masks(sparse_model())
    mask_adapters(masked)
    for model in (masked, plain):
        train(model, tmp_path, [], learning_rate=1e-2)
    ours: Any = merge_adapters(masked)
    ours.save_pretrained(tmp_path / "ours")
    plain.merge_and_unload().save_pretrained(tmp_path / "peft")
    assert compare_sparsity(masks, tmp_path / "ours") == []
    lost = compare_sparsity(masks, tmp_path / "peft")
    assert [one.name for one in lost] == list(masks)
    assert all(one.after < 0.01 for one in lost)


def test_training_changed_the_kept_weights(tmp_path: Path) -> None:
    model = adapted(sparse_model(), init_lora_weights=True)
    mask_adapters(model)
    train(model, tmp_path, [])
    start = dict(sparse_model().named_parameters())
    for name, weight in merge_adapters(model).named_parameters():
        assert torch.equal(weight, start[name]) == (name not in zero_masks(sparse_model()))


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("llama", {}),
        ("llama", {"use_rslora": True}),
        ("gpt2-conv1d", CONV1D),
        ("gpt2-conv1d", {"lora_bias": True} | CONV1D),
    ],
)
def test_merged_weights_compute_what_the_masked_adapter_computes(
    family: str, fields: dict[str, Any]
) -> None:
    model = adapted(sparse_model(family), **fields)
    unmasked = logits(model)
    mask_adapters(model)
    expected = logits(model)
    assert (expected - unmasked).abs().max() > 1e-2
    torch.testing.assert_close(logits(merge_adapters(model)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("family", "fields"), [("llama", {}), ("gpt2-conv1d", CONV1D)])
def test_an_adapter_that_was_trained_without_its_mask_is_merged_with_it(
    family: str, fields: dict[str, Any]
) -> None:
    model, expected = adapted(sparse_model(family), **fields), sparse_model(family).state_dict()
    for name, layer in model.base_model.model.named_modules():
        if hasattr(layer, "lora_A"):
            a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
            outer = [torch.outer(b[:, rank], a[rank]).detach() for rank in range(4)]
            update = 2 * torch.stack(outer).sum(dim=0)
            weight = expected[f"{name}.weight"]
            update = update.T if family == "gpt2-conv1d" else update
            weight += torch.where(weight == 0, 0, update)
    merged = merge_adapters(model).state_dict()
    for name, weight in expected.items():
        torch.testing.assert_close(merged[name], weight, rtol=1e-5, atol=1e-6)


def test_the_adapter_can_be_switched_off_merged_by_peft_and_unmerged() -> None:
    model, base = adapted(sparse_model()), sparse_model()
    masks = zero_masks(base)
    mask_adapters(model)
    expected = logits(model)
    assert not model.base_model.supports_lora_conversion()
    with model.disable_adapter():
        assert torch.equal(logits(model), logits(base))
    model.merge_adapter()
    weights = {name.replace(".base_layer", ""): one for name, one in plain_weights(model).items()}
    assert compare_sparsity(masks, weights) == []
    torch.testing.assert_close(logits(model), expected, rtol=1e-5, atol=1e-5)
    model.unmerge_adapter()
    torch.testing.assert_close(logits(model), expected, rtol=1e-5, atol=1e-5)
    weights = {name.replace(".base_layer", ""): one for name, one in plain_weights(model).items()}
    assert compare_sparsity(masks, weights) == []


def plain_weights(model: PeftModel) -> dict[str, Tensor]:
    found: dict[str, Tensor] = model.base_model.model.state_dict()
    return found


def test_a_model_in_half_precision_is_rounded_once() -> None:
    start = sparse_model(dtype=torch.bfloat16)
    model, expected = adapted(sparse_model(dtype=torch.bfloat16)), {}
    for name in zero_masks(start):
        weight = start.get_parameter(name)
        layer = model.base_model.model.get_submodule(name.removesuffix(".weight"))
        update = layer.get_delta_weight("default")  # of float32
        expected[name] = (weight + torch.where(weight == 0, 0, update)).bfloat16()
    merged = merge_adapters(model)
    assert all(torch.equal(merged.get_parameter(name), one) for name, one in expected.items())


def test_adapters_on_dense_layers_stay_as_they_are() -> None:
    model = sparse_model()
    dense = "model.layers.1.mlp.up_proj"
    torch.nn.init.normal_(model.get_parameter(f"{dense}.weight"))
    alone = adapted(model)
    start = alone.get_submodule(f"base_model.model.{dense}").get_delta_weight("default")
    weight = model.get_parameter(f"{dense}.base_layer.weight").detach().clone()
    masks = zero_masks(sparse_model())
    merged = merge_adapters(alone)
    torch.testing.assert_close(merged.get_parameter(f"{dense}.weight"), weight + start)
    assert [one.name for one in compare_sparsity(masks, merged)] == [f"{dense}.weight"]


@pytest.mark.filterwarnings("ignore:`lora_bias=True` was passed")  # by peft, which goes on
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"use_dora": True}, "a DoraLinearVariant, not plain LoRA"),
        (
            {"init_lora_weights": "pissa"},
            "has init_lora_weights='pissa', which changes the weights",
        ),
        ({"target_modules": ["embed_tokens"]}, r"embed_tokens is a Embedding of peft"),
        ({"lora_bias": True}, r"lora_bias=True, and .*q_proj has no bias .*set lora_bias=False"),
    ],
)
def test_adapters_that_cannot_be_masked_are_refused(fields: dict[str, Any], message: str) -> None:
    model = sparse_model()
    prune(model.get_parameter("model.embed_tokens.weight").data)
    refused(adapted(model, **fields), AdapterError, message)


def test_other_methods_of_peft_are_refused() -> None:
    config = AdaLoraConfig(target_modules="all-linear", total_step=10)
    refused(get_peft_model(sparse_model(), config), AdapterError, "only LoRA's can be masked")


def test_a_dense_model_is_refused() -> None:
    model = sparse_model()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter.data)
    refused(adapted(model), NotSparseError, NO_ZEROS)


def test_a_merged_adapter_is_refused() -> None:
    model = adapted(sparse_model())
    model.merge_adapter()
    refused(model, NotSparseError, NO_ZEROS)  # the zeros are lost
    model = adapted(sparse_model())
    mask_adapters(model)
    model.merge_adapter()
    refused(model, AdapterError, "is merged already")


def test_one_of_several_adapters_is_merged_and_two_at_once_are_refused() -> None:
    model, masks = adapted(sparse_model()), zero_masks(sparse_model())
    model.add_adapter("second", model.peft_config["default"])
    mask_adapters(model)
    model.base_model.set_adapter(["default", "second"])
    with pytest.raises(AdapterError, match=r"2 adapters are active \(default, second\)"):
        merge_adapters(model)
    model.set_adapter("second")
    expected = logits(model)
    merged = merge_adapters(model)
    torch.testing.assert_close(logits(merged), expected, rtol=1e-5, atol=1e-5)
    assert compare_sparsity(masks, merged) == []


def test_a_layer_with_few_zeros_is_named_or_masked() -> None:
    few = "model.layers.1.mlp.up_proj.weight"
    models = [sparse_model() for _ in range(2)]
    for model in models:
        torch.nn.init.normal_(model.get_parameter(few))
        model.get_parameter(few).data[0] = 0  # 1 of 48 rows, 2.1 %
    named, masked = (adapted(model) for model in models)
    with pytest.warns(UserWarning, match=r"zeros of .*layers\.1\.mlp\.up_proj \(2\.08% zeros\)"):
        mask_adapters(named)
    masks = zero_masks(models[1], 0.01)
    merged = merge_adapters(masked, min_sparsity=0.01)
    kept = {name.replace(".base_layer", ""): mask for name, mask in masks.items()}
    assert few in kept
    assert compare_sparsity(kept, merged) == []


def refused(model: PeftModel, error: type[TrainingError], message: str) -> None:
    """Check that the model is refused, and unchanged."""
    start = {name: one.clone() for name, one in model.state_dict().items()}
    for action in (mask_adapters, merge_adapters):
        with pytest.raises(error, match=message):
            action(model)
    assert all(torch.equal(one, start[name]) for name, one in model.state_dict().items())


def test_the_callback_keeps_the_zeros_of_modules_that_are_trained_beside_adapters(
    tmp_path: Path,
) -> None:
    model = sparse_model()
    prune(model.get_parameter("lm_head.weight").data)
    masks = zero_masks(model)
    assert "lm_head.weight" in masks
    trained = adapted(model, init_lora_weights=True, modules_to_save=["lm_head"])
    mask_adapters(trained)
    train(trained, tmp_path, [KeepZerosCallback()])
    assert compare_sparsity(masks, merge_adapters(trained)) == []


def test_copies_of_layers_that_have_lost_zeros_are_named_at_the_merge(tmp_path: Path) -> None:
    model = sparse_model()
    prune(model.get_parameter("lm_head.weight").data)
    trained = adapted(model, init_lora_weights=True, modules_to_save=["lm_head"])
    mask_adapters(trained)
    train(trained, tmp_path, [])
    with pytest.warns(UserWarning, match=r"lost zeros .*lm_head\.weight \(1,\d{3} zeros\)"):
        merge_adapters(trained)
