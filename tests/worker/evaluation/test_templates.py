"""Templates of tasks reach no Python object but their values, and cannot fill the memory."""

import pytest
from lm_eval.utils import apply_template

from worker.evaluation.task_fields import TaskError
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
    ("template", "reason"),
    [
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "fails: access to attribute"),
        ("{{ 'x' * 1000001 }}", "exceeds a limit: its text has more than 1,000,000 characters"),
        ("{{ 'x'.ljust(6000000000) }}", "exceeds a limit: it took more than 5 seconds or 512 MiB"),
        ("{{ b }}", "fails: 'b' is undefined"),
    ],
)
def test_a_template_that_fails_or_grows_is_named_in_the_error(template: str, reason: str) -> None:
    with pytest.raises(TaskError) as failed:
        apply_template(template, {"a": "x y"})
    assert str(failed.value).startswith(f"its template {template!r:.80} {reason}")
