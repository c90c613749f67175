"""What the options say of themselves fits the fields of a job, and the form of the page."""

import re
from itertools import chain
from pathlib import Path

import pytest

from db.spec.descriptions.option import Place
from db.spec.options.basics import Basics
from db.spec.options.recover import RecoverFields
from db.spec.prune_spec import OPTIONS, VARIED, PruneSpec

GROUPS_OF_FORM = Path(__file__).parents[4] / "api/dashboard/src/pages/submit/groups.ts"
SMALLEST = {"model": "org/name", "dataset": "c4", "sparsity": 0.5}


def test_each_field_of_a_job_belongs_to_one_option() -> None:
    assert [name for option in OPTIONS for name in option.fields] == list(PruneSpec.model_fields)


def test_an_option_names_its_own_fields_alone() -> None:
    for option in OPTIONS:
        lists = (option.amounts, option.varied, option.varied_lists, option.planned, option.usual)
        more = (option.metrics, option.untimed, option.docs)
        texts = (*option.texts, *option.texts.values())
        nested = (name.partition(".")[0] for name in (*option.questions, *option.labels, *texts))
        named = {*chain(*lists, *more, option.places), *nested}
        assert named <= set(option.fields)


def test_the_members_of_objects_that_have_labels_exist() -> None:
    schema = PruneSpec.model_json_schema()
    members = {
        f"{name}.{member}"
        for name, field in schema["properties"].items()
        for form in field.get("anyOf", [])
        if "$ref" in form
        for member in schema["$defs"][form["$ref"].rpartition("/")[2]].get("properties", {})
    }
    labelled = {name for option in OPTIONS for name in option.labels if "." in name}
    assert labelled
    assert labelled <= members


def test_every_section_has_a_place_in_the_form() -> None:
    titles = re.findall(r'title: "([^"]+)"', GROUPS_OF_FORM.read_text("utf-8"))
    assert {place.value[1] for place in Place} <= set(titles)


def test_no_field_varies_twice() -> None:
    assert len(set(VARIED)) == len(VARIED)


@pytest.mark.parametrize(("steps", "used"), [(None, False), (1, False), (2, True)])
def test_one_step_is_as_none(steps: int | None, used: bool) -> None:
    [option] = [one for one in OPTIONS if "steps" in one.fields]
    assert option.uses(PruneSpec.model_validate(SMALLEST | {"steps": steps}), "steps") is used


def test_a_specification_without_an_option_cannot_be_read_as_one_with_it() -> None:
    with pytest.raises(TypeError, match="Basics has no fields of RecoverFields"):
        RecoverFields.of(Basics.model_validate(SMALLEST))
