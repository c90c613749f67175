"""Presets: named combinations of a job's fields, which fields beside them override."""

from typing import Any

import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.options.recover import RecoverSpec
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import REMOVING
from db.spec.pruning.presets import PRESETS, PresetName


def spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "sparsity": 0.5, "dataset": "c4"} | fields)


def test_each_preset_is_offered_by_its_name() -> None:
    assert set(PRESETS) == set(PresetName)


@pytest.mark.parametrize("preset", PresetName)
def test_a_preset_is_the_job_that_names_its_fields(preset: str) -> None:
    resolved = spec(preset=preset)
    assert resolved.model_copy(update={"preset": None}) == spec(**PRESETS[preset])
    check_combination(resolved)


def test_a_recovery_without_a_kind_has_that_of_the_preset() -> None:
    whole = {"kind": "masked", "tokens": 4096}
    assert spec(preset="best", recover={"tokens": 4096}) == spec(preset="best", recover=whole)
    other = {"kind": "spp", "tokens": 4096}
    assert spec(preset="best", recover=other).recover == RecoverSpec.model_validate(other)
    with pytest.raises(ValidationError, match="Field required"):
        spec(preset="balanced", recover={"tokens": 4096})


@pytest.mark.parametrize("preset", PresetName)
def test_a_stored_specification_stays_as_it_is(preset: str) -> None:
    stored = spec(preset=preset).model_dump(mode="json")
    assert PruneSpec.model_validate(stored).model_dump(mode="json") == stored


@pytest.mark.parametrize("preset", PresetName)
def test_every_preset_prunes_to_a_pattern(preset: str) -> None:
    resolved = spec(preset=preset, pattern="2:4")
    check_combination(resolved)
    assert resolved.allocation == "uniform"


@pytest.mark.parametrize("preset", PresetName)
@pytest.mark.parametrize("method", sorted(REMOVING))
def test_every_preset_can_remove_units(preset: str, method: str) -> None:
    resolved = spec(preset=preset, method=method, ratio=0.25, sparsity=None)
    check_combination(resolved)
    assert resolved.allocation == "uniform"


def test_what_is_refused_beside_a_ratio_is_what_the_request_sets() -> None:
    own = {"preset": "best", "method": "neurons", "ratio": 0.25, "sparsity": None}
    with pytest.raises(SpecRefusedError) as caught:
        check_combination(spec(**own, skip=["*.o_proj"]))
    assert caught.value.field == "skip"


@pytest.mark.parametrize(("preset", "field"), [("balanced", "refine"), ("best", "allocation")])
def test_a_refused_field_that_the_preset_sets_is_left_out_with_the_preset(
    preset: str, field: str
) -> None:
    with pytest.raises(SpecRefusedError) as caught:
        check_combination(spec(preset=preset, method="none", sparsity=None))
    assert caught.value.field == field
    assert caught.value.remedy.startswith(f"Leave preset out, which sets {field}, or name a method")


def test_fields_beside_a_preset_override_its_own() -> None:
    resolved = spec(preset="best", method="alps", recover=None)
    assert (resolved.method, resolved.recover) == ("alps", None)
    assert resolved.refine is not None


def test_a_job_without_a_preset_is_zpruner() -> None:
    assert (spec().preset, spec().method) == (None, "zpruner")
    assert spec(preset=None) == spec()


@pytest.mark.parametrize("method", [{}, [], 1])
def test_a_method_that_is_no_text_is_refused(method: object) -> None:
    fields = {"model": "m", "dataset": "c4", "sparsity": 0.5}
    with pytest.raises(ValidationError) as refused:
        PruneSpec.model_validate(fields | {"method": method})
    assert [one["loc"] for one in refused.value.errors()] == [("method",)]
