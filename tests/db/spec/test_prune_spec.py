import pytest

from db.spec.prune_spec import OFF, PruneSpec
from tests.factories import make_spec

ALWAYS_STORED = {
    *("model", "sparsity", "dataset", "method", "allocation", "solver", "uniform"),
    *("refine", "recover", "generate", "benchmark", "seed", "dtype"),
}


def test_a_new_field_is_off_by_default_so_that_older_versions_read_jobs_that_do_not_use_it() -> (
    None
):
    """And one that is off stays so, since jobs do not store it."""
    assert set(PruneSpec.model_fields) - OFF.keys() == ALWAYS_STORED
    assert make_spec().stored().keys() == ALWAYS_STORED


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"correction": 0.0, "damping": 1.0, "solver": "sparsegpt"},
        {"skip": ["*.o_proj"], "quantize": "w4a16"},
        {"preset": "best"},
        {"preset": "best", "recover": None, "allocation": "uniform", "mix": []},
    ],
)
def test_a_stored_specification_is_read_as_it_was(fields: dict[str, object]) -> None:
    spec = make_spec(**fields)
    assert PruneSpec.from_stored(spec.stored()) == spec


def test_a_specification_that_was_stored_with_every_field_is_read_as_it_was() -> None:
    spec = make_spec(preset="best", prompts=["Hello"])
    assert PruneSpec.from_stored(spec.model_dump(mode="json")) == spec
