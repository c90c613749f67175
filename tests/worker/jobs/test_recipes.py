from db.spec.prune_spec import OWN_MASK, MethodName, SolverName
from tests.factories import make_spec
from worker.jobs.recipes import recipe_of
from worker.pruning.methods.registry import SCORERS, SOLVERS


def test_the_methods_and_solvers_that_a_job_can_name_are_those_that_are_registered() -> None:
    assert SCORERS.keys() == set(MethodName) - OWN_MASK - {MethodName.none}
    assert SOLVERS.keys() == set(SolverName) - {SolverName.none, SolverName.dsnot}


def test_method_none_is_a_recipe_that_prunes_nothing() -> None:
    assert not recipe_of(make_spec(method="none", sparsity=0.0)).prunes
