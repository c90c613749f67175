"""A target is met from below, as closely as the model's units allow, or refused."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from db.core.errors import SpecRefusedError
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, write_model
from tests.worker.pruning.experts.mixtures import SIGMOID, SOFTMAX
from worker.jobs.recipes import check_job_recipe, recipe_of
from worker.jobs.target.aim import chosen_fields
from worker.jobs.target.result_size import ResultSize
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel

SIZES: dict[str, dict[str, int]] = {
    "parameters": {},
    "active_parameters": {},
    "bytes": {},
    "memory": {"context": 64, "batch": 2},
}
MODELS = {"llama": FAMILIES["llama"], "mixtral": SOFTMAX["mixtral"]}
UNITS = {
    ("llama", "neurons"): 5,
    ("llama", "heads"): 1,
    ("llama", "depth"): 2,
    ("mixtral", "neurons"): 2,
    ("mixtral", "experts"): 6,
}
"""How many smaller models each method can make."""
Opened = Callable[[str], MetaModel]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    folder = tmp_path_factory.mktemp("models")
    known: dict[str, MetaModel] = {}

    def model(name: str) -> MetaModel:
        if name not in known:
            config = {**MODELS, **FAMILIES, **SOFTMAX, **SIGMOID}[name]
            write_model(folder / name, config)
            known[name] = MetaModel.open(folder / name, torch.float32, torch.device("cpu"))
        return known[name]

    return model


def job(method: str, **target: Any) -> PruneSpec:
    fields = {"model": "a/b", "dataset": "wikitext2", "method": method, "target": target}
    return PruneSpec.model_validate(fields)


def size(spec: PruneSpec, model: MetaModel, **fields: Any) -> int:
    """Return what the target limits, of the result with these fields."""
    assert spec.target is not None
    recipe = recipe_of(spec.model_copy(update=fields)) if fields else None
    return ResultSize(model, recipe).of(spec.target)


CASES = [
    ("llama", method, limited) for method in ("neurons", "heads", "depth") for limited in SIZES
]
CASES += [("mixtral", "neurons", limited) for limited in SIZES]
CASES += [("mixtral", "experts", limited) for limited in ("parameters", "bytes", "memory")]


@pytest.mark.parametrize(("name", "method", "limited"), CASES)
def test_as_little_is_removed_as_meets_the_target(
    opened: Opened, name: str, method: str, limited: str
) -> None:
    model, context = opened(name), SIZES[limited]
    limit = size(job(method, **{limited: 1}, **context), model) - 1
    reached: list[int] = []
    while True:  # each target asks for one less than the model before has
        spec = job(method, **{limited: limit}, **context)
        try:
            chosen = chosen_fields(spec, model)
        except SpecRefusedError as error:
            refused = error
            break
        reached.append(size(spec, model, **chosen))
        check_job_recipe(recipe_of(spec.model_copy(update=dict(chosen))), spec, model)
        assert reached[-1] <= limit
        limit = reached[-1] - 1
    assert refused.field == f"target.{limited}"
    assert refused.remedy == f"Set {limited} to {reached[-1]} or more."
    assert reached == sorted(set(reached), reverse=True)
    assert len(reached) == UNITS[name, method]


def test_the_numbers_are_those_of_the_built_model(opened: Opened) -> None:
    model = opened("mixtral")
    parameters = sum(value.numel() for value in model.model.parameters())
    assert size(job("neurons", parameters=1), model) == parameters
    assert size(job("neurons", bytes=1), model) == 4 * parameters
    config = model.config
    idle = 2 * (1 - 2 / 8) * 8 * 3 * config.hidden_size * config.intermediate_size
    assert size(job("neurons", active_parameters=1), model) == parameters - idle
    cache = 2 * 64 * 2 * 2 * config.num_key_value_heads * 8 * 4  # batch, tokens, layers, K and V
    assert size(job("neurons", memory=1, context=64, batch=2), model) == 4 * parameters + cache


def test_experts_of_groups_go_in_steps_that_keep_the_groups_equal(opened: Opened) -> None:
    model = opened("deepseek-v3-groups")
    spec = job("experts", parameters=1)
    whole, six = size(spec, model), size(spec, model, experts=6)
    per_expert = (whole - six) // 2
    assert chosen_fields(job("experts", parameters=whole - per_expert), model) == {"experts": 6}


def test_a_target_that_the_dense_model_meets_is_refused(opened: Opened) -> None:
    model = opened("llama")
    dense = size(job("neurons", parameters=1), model)
    with pytest.raises(SpecRefusedError, match=r"target.parameters") as caught:
        chosen_fields(job("neurons", parameters=dense), model)
    assert f"the dense model has {dense:,} parameters" in caught.value.reason
    assert caught.value.remedy == "Set parameters to less, or leave target out."


def test_a_target_is_met_by_smaller_steps_than_those_of_a_ratio(opened: Opened) -> None:
    model = opened("llama")
    spec = job("neurons", parameters=size(job("neurons", parameters=1), model) - 1)
    by_target = recipe_of(spec.model_copy(update=dict(chosen_fields(spec, model))))
    reduction = by_target.reduction(model)
    assert reduction is not None
    width = model.config.intermediate_size
    assert width - reduction.fields["intermediate_size"] <= 8


def test_memory_is_refused_where_layers_keep_something_else_than_keys(opened: Opened) -> None:
    with pytest.raises(UnsupportedModelError, match="linear_attention"):
        chosen_fields(job("experts", memory=1, context=8), opened("qwen3.5-moe-nested"))
