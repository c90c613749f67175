from pathlib import Path
from typing import Any

import pytest
import torch

from tests.zpruner.training.sparse_models import sparse_model, train
from zpruner.training import (
    KeepZerosCallback,
    MaskError,
    NotSparseError,
    compare_sparsity,
    zero_masks,
)


@pytest.mark.parametrize(
    ("dtype", "fields"),
    [
        (torch.float32, {}),
        (torch.float32, {"bf16": True}),  # autocast; the weights stay in float32
        (torch.bfloat16, {"optim": "adafactor"}),
        (torch.float32, {"optim": "sgd"}),
    ],
)
def test_the_trainer_keeps_every_zero_with_the_callback_and_loses_them_without(
    dtype: torch.dtype, fields: dict[str, Any], tmp_path: Path
) -> None:
    kept, lost = sparse_model(dtype=dtype), sparse_model(dtype=dtype)
    masks = zero_masks(kept)
    train(kept, tmp_path, [KeepZerosCallback()], **fields)
    train(lost, tmp_path, [], **fields)
    assert compare_sparsity(masks, kept) == []
    assert [one.name for one in compare_sparsity(masks, lost)] == list(masks)
    start = dict(sparse_model(dtype=dtype).named_parameters())
    assert all((start[name] != one).any() for name, one in kept.named_parameters() if name in masks)


def test_after_training_the_optimizer_is_free_again(tmp_path: Path) -> None:
    model = sparse_model()
    masks = zero_masks(model)
    trainer = train(model, tmp_path, [KeepZerosCallback()])
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    trainer.optimizer.optimizer.param_groups[0]["lr"] = 1.0  # the schedule ended at 0
    trainer.optimizer.step()
    assert len(compare_sparsity(masks, model)) > 0


def test_a_model_whose_sparse_weights_are_frozen_is_refused(tmp_path: Path) -> None:
    model = sparse_model()
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "layers" not in name
    with pytest.raises(NotSparseError, match=r"trains no matrix with a share of zeros of 0\.05"):
        train(model, tmp_path, [KeepZerosCallback()])


def test_the_callback_takes_the_smallest_share_of_zeros(tmp_path: Path) -> None:
    model, few = sparse_model(), "model.layers.1.mlp.up_proj.weight"
    torch.nn.init.normal_(model.get_parameter(few))
    model.get_parameter(few).data[0] = 0  # 1 of 48 rows
    masks = zero_masks(model, 0.01)
    assert few in masks
    train(model, tmp_path, [KeepZerosCallback(min_sparsity=0.01)], max_steps=1)
    assert compare_sparsity(masks, model) == []
    with pytest.raises(MaskError, match="min_sparsity is 2"):
        KeepZerosCallback(min_sparsity=2)


def test_a_resumed_training_keeps_the_zeros_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, resumed = sparse_model(), sparse_model()
    saving: dict[str, Any] = {"save_strategy": "steps"}
    masks = zero_masks(whole)
    train(whole, tmp_path, [KeepZerosCallback()], max_steps=4, save_steps=2, **saving)
    checkpoint = tmp_path / "checkpoint-2"
    assert compare_sparsity(masks, checkpoint) == []
    train(resumed, tmp_path, [KeepZerosCallback()], checkpoint, max_steps=4, **saving)
    assert compare_sparsity(masks, resumed) == []
    expected = whole.state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in resumed.state_dict().items())
