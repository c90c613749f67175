from copy import deepcopy
from importlib.metadata import version
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedModel

from worker.evaluation.generation import generated
from worker.pruning.model import attention
from worker.pruning.model.attention import causal_attention, use_sliced_attention


def _heads(count: int, tokens: int, features: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    made = torch.randn(2, tokens, count, features, generator=generator).transpose(1, 2)
    return made.bfloat16()


@pytest.mark.parametrize("tokens", [1, 2, 63, 64, 65, 150])
@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (6, 2), (3, 1)])
def test_it_is_what_torch_computes(tokens: int, heads: int, groups: int) -> None:
    query, key = _heads(heads, tokens, 16), _heads(groups, tokens, 16)
    value = _heads(groups, tokens, 24)

    got = causal_attention(query, key, value, 0.3)

    want = functional.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), is_causal=True, enable_gqa=True, scale=0.3
    )
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), want.transpose(1, 2), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("queries", [1, 70])
def test_the_last_queries_of_a_sequence_attend_to_all_tokens_before_them(queries: int) -> None:
    query, key, value = _heads(6, 150, 16), _heads(2, 150, 16), _heads(2, 150, 24)
    whole = causal_attention(query, key, value, 0.3)
    last = causal_attention(query[:, :, -queries:], key, value, 0.3)
    torch.testing.assert_close(last, whole[:, -queries:], rtol=0.02, atol=0.02)


def _model(config: LlamaConfig | MistralConfig, dtype: torch.dtype) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
}


@pytest.mark.parametrize(
    ("config", "dtype", "sliced"),
    [
        (LlamaConfig(**SMALL), torch.bfloat16, True),
        (LlamaConfig(**SMALL), torch.float32, False),
        (MistralConfig(**SMALL, sliding_window=40), torch.bfloat16, False),
        (MistralConfig(**SMALL, sliding_window=400), torch.bfloat16, True),
    ],
    ids=["whole", "float32", "within a window", "window as long as the text"],
)
def test_a_model_computes_the_same_logits_with_slices(
    config: LlamaConfig | MistralConfig,
    dtype: torch.dtype,
    sliced: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, ids = _model(config, dtype), torch.arange(100)[None] % 64
    calls: list[torch.Size] = []

    def counted(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        calls.append(query.shape)
        return causal_attention(query, key, value, scale)

    monkeypatch.setattr(attention, "causal_attention", counted)
    with torch.no_grad():
        want = model(ids, use_cache=False).logits
        use_sliced_attention(model)
        got = model(ids, use_cache=False).logits
    assert len(calls) == 2 * sliced, (
        f"transformers {version('transformers')} calls attention differently: see `attention.py`"
    )
    torch.testing.assert_close(got, want, rtol=0.02, atol=0.02)


def test_a_token_after_cached_ones_is_computed_with_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids, queries = _model(LlamaConfig(**SMALL), torch.bfloat16), torch.arange(40)[None], []
    use_sliced_attention(model)
    with torch.no_grad():
        want = model(ids, use_cache=False).logits[0, -3:]

    def counted(query: Tensor, *others: Any) -> Tensor:
        queries.append(query.shape[2])
        return causal_attention(query, *others)

    def given(logits: Tensor) -> Tensor:
        seen.append(logits[0])
        return ids[:, min(len(seen) + 37, 39)]

    seen: list[Tensor] = []
    monkeypatch.setattr(attention, "causal_attention", counted)
    for _ in zip(range(3), generated(model, ids[:, :38], 3, given), strict=True):
        pass
    assert queries == 2 * [38] + 4 * [1]
    torch.testing.assert_close(torch.stack(seen), want.float(), rtol=0.02, atol=0.02)


def test_gradients_are_computed_with_torchs_kernel() -> None:
    model = _model(LlamaConfig(**SMALL), torch.bfloat16)
    use_sliced_attention(model)
    model(torch.arange(10)[None], use_cache=False).logits.sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_a_model_that_is_not_marked_uses_torchs_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "causal_attention", None)
    model = _model(LlamaConfig(**SMALL), torch.bfloat16)
    with torch.no_grad():
        model(torch.arange(10)[None], use_cache=False)


def test_the_name_of_the_attention_that_a_models_code_sees_stays() -> None:
    for name in ("eager", "sdpa"):
        model = _model(LlamaConfig(**SMALL, attn_implementation=name), torch.bfloat16)
        use_sliced_attention(model)
        assert model.config._attn_implementation == name


def test_a_copy_of_a_marked_block_uses_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(LlamaConfig(**SMALL), torch.bfloat16)
    use_sliced_attention(model)
    monkeypatch.setattr(attention, "causal_attention", None)
    with pytest.raises(TypeError), torch.no_grad():
        deepcopy(model)(torch.arange(10)[None], use_cache=False)
