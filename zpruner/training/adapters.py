"""LoRA adapters of peft that do not fill the zeros of a sparse model.

An adapter adds s·BA to a weight W. BA is dense, so merging it fills zeros of W: a model with
40 % zeros was left with 32.7 % (github.com/locuslab/wanda/issues/83). A masked adapter adds
s·M ⊙ BA, where M is 1 for nonzero weights and 0 for zeros (Zimmer et al., 2023, arXiv:2312.15230).
"""

import warnings

import torch
from peft import PeftConfig, PeftModel, PeftType
from peft.tuners import lora
from peft.tuners.lora.layer import LoraVariant
from peft.utils import ModulesToSaveWrapper
from torch import Tensor, nn
from torch.nn import functional

from zpruner.training.errors import AdapterError, NotSparseError
from zpruner.training.masks import (
    MIN_SPARSITY,
    check_min_sparsity,
    matrix_sparsity,
    warn_of_left_out,
)

KEEPING_INITIALIZATIONS = (True, False, "gaussian", "eva", "orthogonal")
"""Values of ``init_lora_weights`` that keep zeros.

All others subtract the new adapter from the weights, which fills their zeros.
"""


class MaskedLora(LoraVariant):
    """A ``LoraVariant`` of peft that adds s·M ⊙ BA; peft calls its methods."""

    _merged_mask: Tensor

    @staticmethod
    def init(module: lora.Linear, adapter_name: str, **_: object) -> None:
        """Do nothing: the layer already has the matrices A and B of plain LoRA."""

    def supports_lora_conversion(self) -> bool:
        """Return False: an adapter converted to plain LoRA would lose its mask."""
        return False

    def forward(
        self, module: lora.Linear, active_adapter: str, x: Tensor, result: Tensor, **_: object
    ) -> Tensor:
        """Return a layer's output.

        Args:
            module: the layer.
            active_adapter: the adapter's name.
            x: ``[..., in]``.
            result: ``[..., out]``, the output without the adapter.

        Returns:
            ``[..., out]``: result + dropout(x)·(s·M ⊙ BA)ᵀ, plus s·bias if B has a bias.
        """
        update = _update(module, active_adapter, module.get_base_layer().weight != 0)
        bias = module.lora_B[active_adapter].bias
        added: Tensor = functional.linear(
            module.lora_dropout[active_adapter](x),
            update.T if module.fan_in_fan_out else update,
            None if bias is None else bias * module.scaling[active_adapter],
        )
        return result + added

    @torch.no_grad()
    def merge_safe(self, module: lora.Linear, active_adapter: str, orig_weight: Tensor) -> Tensor:
        """Return the weight with the adapter added; do not change ``orig_weight``."""
        self._merged_mask = orig_weight != 0
        merged = orig_weight + _update(module, active_adapter, self._merged_mask)
        return merged.to(orig_weight.dtype)

    def merge_unsafe(self, module: lora.Linear, active_adapter: str, orig_weight: Tensor) -> None:
        """Add the adapter to the weight in place."""
        orig_weight.data = self.merge_safe(module, active_adapter, orig_weight.data)

    @torch.no_grad()
    def unmerge(self, module: lora.Linear, active_adapter: str, orig_weight: Tensor) -> Tensor:
        """Return the weight without the adapter, up to rounding."""
        # Not from the merged weight: a kept weight may have become zero.
        unmerged = orig_weight.data - _update(module, active_adapter, self._merged_mask)
        return unmerged.to(orig_weight.dtype)


def mask_adapters(model: PeftModel, min_sparsity: float = MIN_SPARSITY) -> None:
    """Mask the LoRA adapters on sparse layers, in forward passes and in merges.

    Call it after ``get_peft_model`` or ``PeftModel.from_pretrained`` and before training, and again
    after loading further adapters. Merging an adapter that was trained with its mask changes the
    model's outputs by rounding only. Adapters on dense layers stay as they are; a warning names
    those of these layers that have zeros all the same.

    A forward pass computes M ⊙ BA for each sparse layer. Unless gradient checkpointing is on, it
    keeps the result for the backward pass; with adapters in float32, this takes up to five bytes
    per weight.

    Args:
        model: a model with LoRA adapters on nn.Linear or Conv1D layers.
        min_sparsity: the smallest share of zeros of a sparse layer, above 0 and at most 1.

    Raises:
        NotSparseError: no layer with an adapter is sparse.
        MaskError: ``min_sparsity`` is out of its bounds.
        AdapterError: an adapter is of another kind than plain LoRA, such as DoRA; was initialized
            in a way that fills zeros; is merged already; or has a bias on a layer without one. Or a
            layer with an adapter is or may be sparse, but is neither an unquantized nn.Linear nor a
            Conv1D.
    """
    check_min_sparsity(min_sparsity)
    for adapter, config in model.peft_config.items():
        _check_config(adapter, config)
    masked, dense = [], []
    for name, layer in model.named_modules():
        if isinstance(layer, lora.LoraLayer):
            _check_bias(name, layer)
            if _must_be_masked(name, layer, min_sparsity):
                masked.append(layer)
            else:
                dense.append((name, layer.get_base_layer().weight))
    if not masked:
        raise NotSparseError(
            f"no layer with an adapter has a share of zeros of {min_sparsity:g} or more; load the "
            "pruned model, give a smaller min_sparsity, or merge with peft alone"
        )
    warn_of_left_out(dense, min_sparsity)
    for layer in masked:
        for adapter in layer.lora_A:
            layer.lora_variant[adapter] = MaskedLora()


def merge_adapters(model: PeftModel, min_sparsity: float = MIN_SPARSITY) -> nn.Module:
    """Merge the active adapter into the weights, and keep the zeros of all sparse layers.

    The weight of a sparse layer becomes W + s·M ⊙ BA, so the adapter changes no zeros. If the
    adapter was trained without ``mask_adapters``, merging changes the model's outputs. A dense
    layer is merged as peft does it. Trained copies of whole layers (``modules_to_save``) take the
    place of these layers; a warning names those that have lost zeros.

    Args:
        model: as for ``mask_adapters``; it is changed in place.
        min_sparsity: as for ``mask_adapters``.

    Returns:
        The base model, as ``merge_and_unload`` of peft returns it.

    Raises:
        AdapterError: as in ``mask_adapters``, or several adapters or none are active.
        NotSparseError: no layer with an adapter is sparse.
        ValueError: a merged weight is not finite.
    """
    mask_adapters(model, min_sparsity)
    active = model.active_adapters
    if len(active) != 1:
        raise AdapterError(
            f"{len(active)} adapters are active ({', '.join(active)}); activate the one to merge "
            "with set_adapter, after add_weighted_adapter if it shall be a sum"
        )
    _warn_of_copies(model, active[0])
    merged: nn.Module = model.merge_and_unload(safe_merge=True)
    return merged


def _warn_of_copies(model: PeftModel, adapter: str) -> None:
    """Warn of trained copies of whole layers that have lost zeros of these layers."""
    lost = {}
    for name, module in model.named_modules():
        if isinstance(module, ModulesToSaveWrapper) and adapter in module.modules_to_save:
            trained = dict(module.modules_to_save[adapter].named_parameters())
            for part, weight in module.original_module.named_parameters():
                filled = (weight == 0) & (trained[part] != 0).to(weight.device)
                if weight.ndim > 1 and bool(filled.any()):
                    lost[f"{name}.{part}"] = int(filled.sum())
    if lost:
        named = ", ".join(f"{name} ({count:,} zeros)" for name, count in lost.items())
        warnings.warn(
            f"copies of whole layers (modules_to_save) have lost zeros in training: {named}; "
            "train with KeepZerosCallback or keep_zeros as well",
            stacklevel=3,
        )


def _update(layer: lora.Linear, adapter: str, mask: Tensor) -> Tensor:
    """Return s·M ⊙ BA in the layout of the weight: ``[out, in]``, or ``[in, out]`` in Conv1D."""
    product = layer.lora_B[adapter].weight @ layer.lora_A[adapter].weight  # [out, in]
    product = product.T if layer.fan_in_fan_out else product
    return torch.where(mask, product * layer.scaling[adapter], 0)


def _check_config(adapter: str, config: PeftConfig) -> None:
    if config.peft_type != PeftType.LORA:
        raise AdapterError(
            f"adapter {adapter!r} is of the type {config.peft_type}; only LoRA's can be masked"
        )
    if config.init_lora_weights not in KEEPING_INITIALIZATIONS:
        raise AdapterError(
            f"adapter {adapter!r} has init_lora_weights={config.init_lora_weights!r}, which "
            "changes the weights and so fills their zeros; load the pruned model and choose True, "
            "'gaussian', 'orthogonal' or 'eva'"
        )


def _check_bias(name: str, layer: lora.LoraLayer) -> None:
    """Check that an adapter with a bias can be merged, which peft checks after the training."""
    if getattr(layer.get_base_layer(), "bias", None) is not None:
        return
    for adapter, up in layer.lora_B.items():
        if getattr(up, "bias", None) is not None:
            raise AdapterError(
                f"adapter {adapter!r} has lora_bias=True, and {name} has no bias into which it "
                "could be merged; set lora_bias=False, or name layers with a bias in target_modules"
            )


def _must_be_masked(name: str, layer: lora.LoraLayer, min_sparsity: float) -> bool:
    """Return whether the weight of a layer with adapters is sparse.

    Raises:
        AdapterError: the weight is or may be sparse, but the adapters cannot be masked.
    """
    weight = getattr(layer.get_base_layer(), "weight", None)
    if weight is not None and weight.is_floating_point() and matrix_sparsity(weight) < min_sparsity:
        return False
    if type(layer) is not lora.Linear:
        raise AdapterError(
            f"the adapter on {name} is a {type(layer).__name__} of peft, whose zeros cannot be "
            "kept; put adapters on unquantized nn.Linear and Conv1D layers only"
        )
    if layer.merged:
        raise AdapterError(f"the adapter on {name} is merged already; call unmerge_adapter first")
    for adapter, variant in layer.lora_variant.items():
        if not isinstance(variant, MaskedLora):
            raise AdapterError(
                f"adapter {adapter!r} on {name} is a {type(variant).__name__}, not plain LoRA; "
                "train one without use_dora and the like"
            )
    return True
