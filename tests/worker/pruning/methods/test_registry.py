import pytest

from worker.pruning.base.errors import UnknownMethodError
from worker.pruning.methods.registry import (
    PUBLISHED_SOLVERS,
    SCORERS,
    SOLVERS,
    get_scorer,
    get_solver,
)


def test_each_method_has_the_scope_of_its_publication() -> None:
    assert {name: scorer.scope for name, scorer in SCORERS.items()} == {
        "zpruner": "matrix",
        "magnitude": "matrix",
        "wanda": "row",
        "ria": "matrix",
        "gblm": "row",
    }


def test_every_solver_also_runs_as_published() -> None:
    assert PUBLISHED_SOLVERS.keys() == SOLVERS.keys()
    assert get_solver("alps", as_published=True).damping == 0.01
    assert get_solver("alps").damping == 0.1
    assert get_solver("exact", as_published=True).damping == 0.01
    assert get_solver("exact").damping == 0.1


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownMethodError, match="unknown method 'wonda'; choose one of gblm"):
        get_scorer("wonda")


def test_an_unknown_solver_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownMethodError, match="unknown solver 'alsp'; choose one of admm"):
        get_solver("alsp")
