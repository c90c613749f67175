import pytest

from worker.pruning.base.errors import UnknownMethodError
from worker.pruning.methods.registry import METHODS, get_method


def test_each_method_competes_where_it_was_published_to() -> None:
    assert {name: method.scope for name, method in METHODS.items()} == {
        "zpruner": "matrix",
        "magnitude": "matrix",
        "wanda": "row",
        "ria": "matrix",
        "gblm": "row",
    }


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownMethodError, match="unknown method 'wonda'; choose one of gblm, magn"
    ):
        get_method("wonda")
