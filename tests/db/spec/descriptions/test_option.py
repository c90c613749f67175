"""What the options say of themselves fits the fields of a job, and the form of the page."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Place
from db.spec.options.recover import RecoverFields
from db.spec.prune_spec import OPTIONS, VARIED, PruneSpec
from db.spec.pruning.methods import OWN_MASK, REMOVING, SELECTIONS, ZEROING, MethodName

GROUPS_OF_FORM = Path(__file__).parents[4] / "api/dashboard/src/pages/submit/groups.ts"
SCHEMA = PruneSpec.model_json_schema()
SMALLEST = {"model": "org/name", "dataset": "c4", "sparsity": 0.5}


def test_each_field_of_a_job_belongs_to_one_option() -> None:
    assert [name for option in OPTIONS for name in option.fields] == list(PruneSpec.model_fields)


def test_an_option_names_its_own_fields_alone() -> None:
    for option in OPTIONS:
        lists = (option.amounts, option.varied, option.varied_lists, option.planned, option.usual)
        more = (option.metrics, option.untimed, option.docs, option.text_lists)
        texts = (*option.texts, *option.texts.values())
        nested = (name.partition(".")[0] for name in (*option.questions, *option.labels, *texts))
        named = {*chain(*lists, *more, option.places), *nested}
        assert named <= set(option.fields)


def test_an_option_says_of_its_own_fields_alone_when_the_form_shows_them() -> None:
    for option in OPTIONS:
        assert option.first.keys() | option.only_with.keys() <= set(option.fields)
        others = {other for needed in option.only_with.values() for other in needed}
        assert others <= set(PruneSpec.model_fields)


def test_the_members_of_objects_that_have_labels_exist() -> None:
    members = {
        f"{name}.{member}"
        for name, field in SCHEMA["properties"].items()
        for form in field.get("anyOf", [])
        if "$ref" in form
        for member in SCHEMA["$defs"][form["$ref"].rpartition("/")[2]].get("properties", {})
    }
    labelled = {name for option in OPTIONS for name in option.labels if "." in name}
    assert labelled
    assert labelled <= members


def test_every_section_has_a_place_in_the_form() -> None:
    titles = re.findall(r'title: "([^"]+)"', GROUPS_OF_FORM.read_text("utf-8"))
    assert {place.value[1] for place in Place} <= set(titles)


def test_no_two_fields_have_the_same_place_at_the_head_of_the_form() -> None:
    places = [place for option in OPTIONS for place in option.first.values()]
    assert sorted(places) == list(range(len(places)))


@pytest.mark.parametrize("method", MethodName)
def test_the_form_has_the_fields_that_a_method_can_be_combined_with(method: MethodName) -> None:
    """``only_with`` says of each field whether jobs of the method are refused because of it."""
    names = set(PruneSpec.model_fields)
    fitting = {name for name in names if _fits(method, name)}
    assert fitting == {name for name in names if _is_shown(method, name)}


def _is_shown(method: MethodName, name: str) -> bool:
    needed = next(one.only_with.get(name, {}) for one in OPTIONS if name in one.fields)
    others = (other for other in needed if other != "method")
    return method in needed.get("method", MethodName) and all(
        _is_shown(method, other) for other in others
    )


def _fits(method: MethodName, name: str) -> bool:
    """Whether a job of the method may set the field, beside those that it needs."""
    fields: dict[str, Any] = {"model": "org/name", "dataset": "c4", "method": method}
    if method in REMOVING:
        fields["ratio"] = 0.25
    if method in ZEROING:
        fields["sparsity"] = 0.5
    fields |= WITH.get(name, {})
    if name == "damping" and method in ZEROING - OWN_MASK:
        fields["solver"] = "alps"
    if name == "selection" and method in SELECTIONS:
        fields[name] = SELECTIONS[method][-1]
    if name == "recover" and method is MethodName.experts:
        fields[name] = "router"
    if name not in fields:
        fields[name] = _other_value(name)
    try:
        check_combination(PruneSpec.model_validate(fields))
    except SpecRefusedError:
        return False
    return True


WITH: dict[str, dict[str, Any]] = {
    "dataset": {},
    "text_field": {"dataset": "org/name"},
    "sparsity": {"sparsity": 0.5},
    "preset": {"preset": "balanced"},
    "revision": {"revision": "main"},
    "seed": {"seed": 1},
    "variant": {"variant": "sm"},
    "correction": {"refine": True},
    "keep_dataset": {"keep_dataset": "ptb"},
    "keep_text_field": {"keep_dataset": "org/name", "keep_text_field": "text"},
    "pattern": {"sparsity": None, "pattern": "2:4"},
    "experts": {"ratio": None, "experts": 4},
    "target": {"ratio": None, "target": {"parameters": "1B"}},
    "skip": {"skip": ["*.o_proj"]},
    "recover": {"recover": {"kind": "masked", "kl": 0.67}},
    "quantize": {"quantize": "w8a16"},
    "rotate": {"quantize": "w8a16", "rotate": "auto"},
    "binarize": {"binarize": True},
    "eval_dataset": {"eval_dataset": "ptb"},
    "eval_texts": {"eval_texts": ["ptb"]},
    "eval_text_field": {"eval_dataset": "org/name", "eval_text_field": "text"},
    "task_limit": {"tasks": ["boolq"], "task_limit": 5},
    "prompts": {"generate": True, "prompts": ["A"]},
    "expect": {"expect": {"calibration": "0"}},
}
"""Fields that a job can set only together with others, or whose schema has no other value."""


def _other_value(name: str) -> Any:
    """Return a value of a field that is not its default."""
    field = SCHEMA["properties"][name]
    forms = [*field.get("anyOf", []), field]
    names = [value for form in forms for value in _names(form)]
    numbers = [form["maximum"] for form in forms if "maximum" in form]
    flags = [not field.get("default") for form in forms if form.get("type") == "boolean"]
    [value, *_] = [
        one
        for one in [*field.get("examples", []), *names, *flags, *numbers]
        if one != field.get("default")
    ]
    return value


def _names(form: dict[str, Any]) -> list[str]:
    reference = form.get("$ref", "").rpartition("/")[2]
    known = SCHEMA["$defs"].get(reference, form)
    return list(known.get("enum", []))


def test_no_field_varies_twice() -> None:
    assert len(set(VARIED)) == len(VARIED)


@pytest.mark.parametrize(("steps", "used"), [(None, False), (1, False), (2, True)])
def test_one_step_is_as_none(steps: int | None, used: bool) -> None:
    [option] = [one for one in OPTIONS if "steps" in one.fields]
    assert option.uses(PruneSpec.model_validate(SMALLEST | {"steps": steps}), "steps") is used


def test_a_specification_without_an_option_cannot_be_read_as_one_with_it() -> None:
    with pytest.raises(TypeError, match="Basics has no fields of RecoverFields"):
        RecoverFields.of(Basics.model_validate(SMALLEST))
