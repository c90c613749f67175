from db.spec.prune_spec import OWN_MASK, MethodName, SolverName
from worker.pruning.methods.registry import SCORERS, SOLVERS


def test_the_methods_and_solvers_that_a_job_can_name_are_those_that_are_registered() -> None:
    assert SCORERS.keys() == set(MethodName) - OWN_MASK
    assert SOLVERS.keys() == set(SolverName) - {SolverName.none, SolverName.dsnot}
