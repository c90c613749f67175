from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch

from db.spec.options.masks import Propagation, Scope
from db.spec.options.quantize import QuantizeSpec
from db.spec.options.recover import RecoveryKind
from db.spec.options.refine import RefineSpec
from db.spec.pruning.allocations import DEFAULT_SPREADS, AllocationName, SpreadAllocation
from db.spec.pruning.methods import OWN_MASK, REMOVING, MethodName, SolverName
from db.spec.pruning.variants import Variant
from tests.factories import make_spec
from tests.models import FAMILIES, write_model
from worker.jobs.options.recover import recovery_of
from worker.jobs.recipes import check_job_recipe, compares_in_sweep, recipe_at, recipe_of
from worker.pruning.base.errors import RecoveryError
from worker.pruning.base.increments import Increment
from worker.pruning.methods import patterns
from worker.pruning.methods.registry import ALLOCATIONS, SCORERS, SOLVERS, get_allocation
from worker.pruning.methods.solvers import exact
from worker.pruning.methods.solvers.exact import Exact
from worker.pruning.methods.units import Repairing
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning import workload
from worker.pruning.quantization.scheme import Scales
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import PUBLISHED_ADAPT, PUBLISHED_PGP, Adapt, LastTokens, Pgp
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.experts.removing import RemovingExperts
from worker.pruning.sweep.refinement.refining import Refining
from worker.recovery.settings import Kind


def test_the_methods_and_solvers_that_a_job_can_name_are_those_that_are_registered() -> None:
    assert SCORERS.keys() == set(MethodName) - OWN_MASK - REMOVING - {MethodName.none}
    assert SOLVERS.keys() == set(SolverName) - {SolverName.none, SolverName.dsnot}
    assert ALLOCATIONS.keys() == set(AllocationName) - {AllocationName.uniform}
    assert ALLOCATIONS.keys() == set(_literals(SpreadAllocation, "name"))


def _literals(kind: type, attribute: str) -> tuple[Any, ...]:
    return get_args(get_type_hints(kind)[attribute])


def test_the_engine_knows_every_value_of_an_option_that_a_job_can_name_and_no_other() -> None:
    assert set(Scope) == set(get_args(patterns.Scope))
    assert set(Propagation) == set(get_args(workload.Propagation))
    assert set(Variant) == set(get_args(exact.Variant))
    assert get_args(RecoveryKind) == get_args(Kind)
    assert _literals(QuantizeSpec, "scales") == get_args(Scales)
    assert _literals(RefineSpec, "scope") == _literals(Refinement, "scope")


@pytest.mark.parametrize(
    ("fields", "variant"),
    [
        ({}, "sm"),
        ({"pattern": "2:4"}, "mm"),
        ({"variant": "ss"}, "ss"),
        ({"pattern": "2:4", "variant": "ms"}, "ms"),
    ],
)
@pytest.mark.parametrize(("propagation", "damping"), [("fused", 0.1), ("reference", 0.01)])
def test_exact_runs_in_the_variant_of_the_job(
    fields: dict[str, object], variant: str, propagation: str, damping: float
) -> None:
    recipe = recipe_of(make_spec(method="exact", propagation=propagation, **fields))
    assert recipe.solver is not None
    assert recipe.solver.solve == Exact(variant)  # type: ignore[arg-type] # a literal each
    assert recipe.solver.damping == damping


@pytest.mark.parametrize(
    ("fields", "compares"),
    [
        ({"quantize": "w4a16"}, True),
        ({"quantize": "w4a16", "rotate": "auto"}, False),
        ({"recover": "masked"}, False),
    ],
)
def test_a_sweep_compares_the_models_unless_a_rotation_or_a_recovery_changes_one(
    fields: dict[str, Any], compares: bool
) -> None:
    spec = make_spec(**fields)
    assert compares_in_sweep(recipe_of(spec), recovery_of(spec)) is compares


def test_method_none_is_a_recipe_that_prunes_nothing() -> None:
    assert not recipe_of(make_spec(method="none", sparsity=0.0)).prunes


def test_methods_that_remove_units_take_the_ratio_of_the_job_and_repair_the_rest() -> None:
    fields = {"method": "neurons", "ratio": 0.25, "sparsity": 0.0}
    recipe = recipe_of(make_spec(**fields))
    assert recipe.removal == Neurons(0.25)
    assert recipe.repairing == Repairing(correction=0.0, damping=0.1)
    assert not recipe.prunes
    assert recipe_of(make_spec(**fields, selection="energy")).removal == Neurons(0.25)
    by_prompts = recipe_of(make_spec(**fields, selection="ptl")).removal
    assert by_prompts == Neurons(0.25, last_tokens=LastTokens())
    others = [make_spec(**fields | {"method": name}) for name in ("heads", "depth")]
    assert [recipe_of(spec).removal for spec in others] == [Heads(0.25), Depth(0.25)]
    assert recipe_of(others[1]).repairing is None
    changed = recipe_of(make_spec(**fields, correction=0.2, damping=0.01))
    assert changed.repairing == Repairing(correction=0.2, damping=0.01)
    assert recipe_of(make_spec(**fields, refine=True)).correction == 0.3


def test_adapt_and_pgp_measure_units_in_few_steps_or_as_published() -> None:
    fields = {"ratio": 0.25, "sparsity": 0.0, "seed": 7}
    recipe = recipe_of(make_spec(method="adapt", **fields))
    assert recipe.removal == MeasuredUnits(0.25, Adapt())
    assert recipe.repairing == Repairing(correction=0.0, damping=0.1)
    assert recipe.is_cut
    published = recipe_of(make_spec(method="adapt", propagation="reference", **fields))
    assert published.removal == MeasuredUnits(0.25, PUBLISHED_ADAPT)
    in_place = recipe_of(make_spec(method="pgp", uniform=False, **fields))
    assert in_place.removal == MeasuredUnits(0.25, Pgp(seed=7), uniform=False)
    assert not in_place.is_cut
    published = recipe_of(make_spec(method="pgp", propagation="reference", **fields))
    assert published.removal == MeasuredUnits(0.25, replace(PUBLISHED_PGP, seed=7))
    few = recipe_of(make_spec(method="pgp", search_steps=20, **fields)).removal
    assert few == MeasuredUnits(0.25, Pgp(20, seed=7))
    second = recipe_at(in_place, Increment(2, 2)).removal
    assert isinstance(second, MeasuredUnits)
    half = Pgp().steps // 2
    assert second.measure == Pgp(half, seed=7, first_step=half)
    assert PUBLISHED_ADAPT.at(Increment(2, 2)) == PUBLISHED_ADAPT
    assert [Adapt().at(Increment(one, 20)).steps for one in (1, 2)] == [1, 1]


@pytest.mark.parametrize("name", sorted(DEFAULT_SPREADS))
def test_an_allocation_has_the_spread_that_the_job_names_or_the_documented_default(
    name: str,
) -> None:
    assert recipe_of(make_spec(allocation=name)).allocation == get_allocation(name)
    assert get_allocation(name).spread == DEFAULT_SPREADS[name]
    spread = {"name": name, "spread": 0.1}
    assert recipe_of(make_spec(allocation=spread)).allocation == get_allocation(name, 0.1)


def test_experts_are_scored_in_the_dense_model_unless_a_job_asks_for_the_cut_one() -> None:
    asked: dict[str, Any] = {"method": "experts", "ratio": 0.25, "sparsity": 0.0}
    for given, propagation in ((None, "reference"), ("fused", "fused")):
        recipe = recipe_of(make_spec(**asked, propagation=given))
        removing = recipe.stage(RemovingExperts)
        assert removing is not None
        assert removing.settings.from_dense == (propagation == "reference")
        assert recipe.propagation == propagation
    assert recipe_of(make_spec(method="wanda", propagation=None)).propagation == "fused"
    assert recipe_of(make_spec(**asked, refine=True)).correction == 0.3  # as with other methods


def test_routers_of_a_model_that_has_none_are_refused_before_any_work(tmp_path: Path) -> None:
    spec = make_spec(method="none", sparsity=0.0, recover={"kind": "router", "kl": 0.5})
    folder = write_model(tmp_path, FAMILIES["llama"])
    model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    with pytest.raises(RecoveryError, match=r"'llama' has none.*set recover to masked"):
        check_job_recipe(recipe_of(spec), spec, model)


def test_refine_trains_with_the_seed_and_the_correction_of_the_job() -> None:
    refine = {"scope": "half", "steps": 3, "lr": 1e-3, "tokens": 4096, "norms": False}
    recipe = recipe_of(make_spec(refine=refine, seed=7))
    assert recipe.stages == (Refining(Refinement("half", 3, 4096, 1e-3, norms=False, seed=7)),)
    assert recipe.correction == 0.3
    assert recipe_of(make_spec(refine=True, correction=0.0)).correction == 0.0
    assert recipe_of(make_spec(refine=True, propagation="reference")).correction == 0.0
    plain = recipe_of(make_spec())
    assert (plain.stages, plain.correction) == ((), 0.0)
    assert recipe_of(make_spec(refine=True)).stages == (Refining(Refinement()),)
