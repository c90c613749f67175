"""Write what docs and page know of descriptions in the code: ``python -m tools.descriptions``.

The methods, the sources of triggers and the types of events each have one description; the docs
have tables of them, and the dashboard the texts that it shows, also those of the orders of a list.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from api.triggers.sources.registry import SOURCES
from api.triggers.sources.source import Source
from db.core.sort_key import ORDERS
from db.spec.catalogue import METHODS, MethodInfo
from db.spec.pruning.methods import REMOVING, MethodName
from db.webhooks.event_types import FINAL_EVENTS, TEST_EVENT, EventType
from tools.settings_reference import between_marks

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ROOT / "api" / "dashboard" / "src" / "pages"
TEST_MEANING = "(not a job: a requested test, always sent)"


def methods_of(*fields: str) -> list[MethodInfo]:
    """Return the methods that exactly these fields can name, without those that remove units."""
    others = REMOVING | {MethodName.none}
    return [one for one in METHODS if one.fields == fields and one.name not in others]


def written() -> list[tuple[Path, str]]:
    """Return the files that are made from descriptions, each with its text."""
    pages = {
        "methods.md": _table(("question", "pages"), _methods()),
        "triggers.md": _table(
            ("`source`", "a call is authentic if", "a delivery is identified by"),
            [(f"`{name}`", one.proof, _identity(one)) for name, one in SOURCES.items()],
        ),
        "webhooks.md": _table(
            ("`type`", "sent when the job"),
            [(f"`{one}`", one.meaning) for one in EventType] + [(f"`{TEST_EVENT}`", TEST_MEANING)],
        ),
    }
    templates = {name: {"label": one.label} | asdict(one.example) for name, one in SOURCES.items()}
    events = {"all": list(EventType), "final": list(FINAL_EVENTS)}
    orders = [{"sort": sort, "label": label} for sort, label in ORDERS.items()]
    return [
        *((DOCS / page, between_marks(DOCS / page, text)) for page, text in pages.items()),
        (PAGES / "triggers" / "templates.json", _json(templates)),
        (PAGES / "webhooks" / "events.json", _json(events)),
        (PAGES / "jobs" / "filters" / "orders.json", _json(orders)),
    ]


def _methods() -> list[tuple[str, str]]:
    """Return the questions that methods answer, each with links to their pages."""
    questions = {
        "Which weights go? (`method`, a score)": methods_of("method"),
        "Which weights go, and how do the others make up for them? (`method` or `solver`)": (
            methods_of("method", "solver")
        ),
        "Which weights of a score's mask are swapped? (`solver`)": methods_of("solver"),
        "How sparse is each block or matrix? (`allocation`)": methods_of("allocation"),
        "What goes as a whole, so that the model is smaller? (`method` with `ratio`)": (
            [method for method in METHODS if method.name in REMOVING]
        ),
    }
    return [(question, ", ".join(map(_link, methods))) for question, methods in questions.items()]


def _link(method: MethodInfo) -> str:
    return f"[`{method.name}`](methods/{method.name}.md)"


def _identity(source: Source) -> str:
    """Return by which a source's deliveries are identified."""
    if source.id_header is None:
        return "`Idempotency-Key`, or its body"
    return f"`{source.id_header}`" + (", and its body" if source.signs_only_body else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (f"| {' | '.join(row)} |\n" for row in rows)
    return f"\n| {' | '.join(head)} |\n{'|---' * len(head)}|\n{''.join(lines)}\n"


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    for file, text in written():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
