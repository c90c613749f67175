"""Templates of tasks reach no Python object but their values, and cannot fill the memory."""

import pytest
from jinja2.exceptions import SecurityError
from lm_eval.utils import apply_template

from worker.evaluation.templates import limit_templates

limit_templates()


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ a.split()[1] * 3 }}!", "yyy!"),
        ("{{ 3 * 4 }} {{ 2 ** 10 }}\n", "12 1024\n"),
        ("{{ a | regex_replace('x', 'z') }}", "z y"),
    ],
)
def test_templates_of_the_harness_are_rendered(template: str, text: str) -> None:
    assert apply_template(template, {"a": "x y"}) == text


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ a|attr('_' ~ '_class_' ~ '_')|string ~ a.__class__() }}",
        "{{ 'x' * 10 ** 11 }}",
        "{{ [1] * 1000001 }}",
        "{{ 10 ** 10 ** 10 }}",
    ],
)
def test_templates_that_reach_further_or_grow_are_refused(template: str) -> None:
    with pytest.raises(SecurityError):
        apply_template(template, {"a": "x y"})
