"""No template takes more than its limits, however it tries."""

from collections.abc import Iterator
from typing import Any

import pytest

from worker.templates import rendering
from worker.templates.rendering import Rendering, TemplateError, TemplateLimitError

CHATS, TASKS = "worker.templates.chats", "worker.templates.tasks"
CONVERSATION: dict[str, Any] = {
    "messages": [{"role": "user", "content": "How many?"}],
    "tokens": {"bos_token": "<s>"},
}
PAGES = '{% for i in range(99999) %}{{ "abcdefghijklmnopqrstuvwxyz" * 400 }}{% endfor %}'
NESTED = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
DOUBLED = (
    "{% set all = namespace(text='abcdefghij') %}{% for i in range(40) %}"
    "{% set all.text = all.text ~ all.text %}{% endfor %}{{ all.text|length }}"
)
HOSTILE = {
    "a loop of long texts": (CHATS, PAGES),
    "a loop in a loop": (CHATS, NESTED),
    "a doubled text": (CHATS, DOUBLED),
    "a long text": (CHATS, "{{ 'x' * 90000000 }}"),
    "a growing list": (CHATS, "{{ (messages * 10 ** 9)|length }}"),
    "a format of a date": (CHATS, "{{ strftime_now('%Y' * 10 ** 9) }}"),
    "repeated": (TASKS, "{{ 'x' * 10 ** 11 }}"),
    "repeated in the limit of memory": (TASKS, "{{ 'x' * 10 ** 8 }}"),
    "padded on the right": (TASKS, "{{ 'x'.ljust(6000000000) }}"),
    "padded on the left": (TASKS, "{{ 'x'.rjust(6000000000) }}"),
    "padded by zeros": (TASKS, "{{ 'x'.zfill(6000000000) }}"),
    "padded by a filter": (TASKS, "{{ 'x'|center(6000000000) }}"),
    "a width after a percent sign": (TASKS, "{{ '%06000000000d' % 1 }}"),
    "a width in braces": (TASKS, "{{ '{:>6000000000}'.format(1) }}"),
    "tabs": (TASKS, "{{ '\t'.expandtabs(2000000000) }}"),
    "replaced": (TASKS, "{{ ('a' * 10 ** 6)|replace('a', 'b' * 10 ** 6) }}"),
    "joined": (TASKS, "{{ range(99999)|join('x' * 10 ** 6) }}"),
    "indented": (TASKS, "{{ 'x\nx'|indent(6000000000) }}"),
    "a list": (TASKS, "{{ [1] * 1000000001 }}"),
    "lists of lists": (TASKS, "{{ [1]|slice(1000000000)|list|length }}"),
    "filled lists": (TASKS, "{{ [1]|batch(1000000000, 'x')|list|length }}"),
    "invented text": (TASKS, "{{ lipsum(n=10 ** 7) }}"),
    "a power": (TASKS, "{{ (10 ** (10 ** 10)) % 2 }}"),
    "a pattern": (TASKS, "{{ ('a' * 50)|regex_replace('(a+)+b', '') }}"),
}


ENDLESS = {HOSTILE[name][1] for name in ("a loop in a loop", "a power", "a pattern")}
"""Templates that only the limit on time ends."""


@pytest.mark.parametrize(("module", "template"), HOSTILE.values(), ids=HOSTILE)
def test_a_template_that_takes_too_much_is_ended(
    monkeypatch: pytest.MonkeyPatch, module: str, template: str
) -> None:
    # The second of its start is not over.
    monkeypatch.setattr(rendering, "CPU_S", 0 if template in ENDLESS else 1)
    values = CONVERSATION if module == CHATS else {"a": "x"}
    limit = 1_000_000 if module == TASKS else None
    with Rendering(module, limit) as renders, pytest.raises(TemplateLimitError) as exceeded:
        renders.render(template, values)
    assert "more than" in str(exceeded.value)


@pytest.fixture(scope="module")
def renders() -> Iterator[Rendering]:
    with Rendering(TASKS) as started:
        yield started


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ a|attr('_' ~ '_class_' ~ '_')|string ~ a.__class__() }}",
        "{{ range(10 ** 9)|list }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ missing }}",
        "{{ 1 / 0 }}",
        "{% for %}",
    ],
)
def test_a_template_that_fails_says_so(renders: Rendering, template: str) -> None:
    with pytest.raises(TemplateError) as failed:
        renders.render(template, {"a": "x"})
    assert not isinstance(failed.value, TemplateLimitError)


def test_all_texts_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "START_CHARACTERS", 5000)
    with Rendering(TASKS) as renders:
        for _ in range(4):
            assert len(renders.render("{{ 'x' * 1200 }}", {})) == 1200
        with pytest.raises(TemplateLimitError, match=r"all texts have more than 5,0\d\d "):
            renders.render("{{ 'x' * 1200 }}", {})
        assert renders.render("{{ a }}", {"a": 1}) == "1", "a new process has a limit of its own"


def test_all_texts_together_have_a_limit_on_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "START_S", 0.0)
    with Rendering(TASKS) as renders, pytest.raises(TemplateLimitError, match="all texts took"):
        renders.render("a", {})


def test_the_limit_grows_with_what_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "START_CHARACTERS", 0)
    with Rendering(TASKS) as renders:
        for _ in range(9):
            assert len(renders.render("{{ a }}{{ a }}", {"a": "x" * 1000})) == 2000
