"""Conversations become the same texts as in transformers."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.worker.sources.builders import chat_tokenizer
from worker.templates.rendering import Rendering

CONVERSATIONS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "q"}, {"role": "assistant", "content": "“Größe” 模型 🙂\n"}],
    [{"role": "user", "content": "q", "name": None, "calls": [{"id": 1, "x": 0.5, "y": True}]}],
]
TEMPLATES = {
    "tokens": "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
    "json": "{% for m in messages %}{{ m | tojson(indent=2) }}\n{% endfor %}",
    "blocks": "  {% for m in messages %}\n  {% generation %}{{ m.content }}{% endgeneration %}\n"
    "  {% if loop.first %}{% continue %}{% endif %}!{% endfor %}",
    "variables": "{% set all = namespace(n=0) %}{% for m in messages %}{% set all.n = all.n + 1 %}"
    "{{ m.items() | list }}{{ 'none' if m.name is none else m.name is defined }}{% endfor %}"
    "{{ all.n }}{{ tools is none }}{{ add_generation_prompt }}",
}


@pytest.fixture(scope="module")
def renders() -> Iterator[Rendering]:
    with Rendering("worker.templates.chats") as started:
        yield started


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@pytest.mark.parametrize("messages", CONVERSATIONS, ids=["plain", "with more fields"])
def test_a_conversation_is_rendered_as_transformers_does(
    renders: Rendering, template: str, messages: list[dict[str, Any]]
) -> None:
    tokenizer: Any = chat_tokenizer()
    tokenizer.eos_token = "</s>"
    tokenizer.chat_template = template
    values = {"messages": messages, "tokens": tokenizer.special_tokens_map}
    expected = tokenizer.apply_chat_template(messages, tokenize=False)
    assert renders.render(template, values) == expected


def test_a_template_that_writes_the_date_writes_the_same_on_every_day(renders: Rendering) -> None:
    values = {"messages": CONVERSATIONS[0], "tokens": {}}
    assert renders.render("{{ strftime_now('%d %b %Y %H:%M') }}", values) == "26 Jul 2024 00:00"
