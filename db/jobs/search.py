"""What a list finds a job by: copies of parts of its row, small enough for an index."""

from hashlib import sha256
from typing import Any

from sqlalchemy import Boolean, SQLColumnExpression, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.core.digests import digest
from db.spec.prune_spec import PruneSpec

# Together below what PostgreSQL takes as one entry of an index, 2,704 bytes.
MODEL_KEY_BYTES = 256
SEARCH_BYTES = 1024
ADDED_FIELDS = ("text_field", "eval_text_field")
"""Fields of a specification that older jobs' digests do not hold."""


def found_by(spec: PruneSpec, name: str | None) -> dict[str, str]:
    """Return the columns that lists are filtered by, and the one that identical jobs share."""
    return {
        "method": spec.method.value,
        "model_key": model_key(spec.model),
        "search": search_text(spec.model, name),
        "spec_digest": _digest(spec),
    }


def _digest(spec: PruneSpec) -> str:
    """Return the same digest for a job from before a field was added and for one without it."""
    written = spec.model_dump(mode="json")
    return digest({key: value for key, value in written.items()
                   if key not in ADDED_FIELDS or value is not None})  # fmt: skip


def model_key(model: str) -> str:
    """Return what stands for a model in an index: its name, or the digest of a very long one."""
    written = model.encode()
    return model if len(written) <= MODEL_KEY_BYTES else f"sha256:{sha256(written).hexdigest()}"


def search_text(model: str, name: str | None) -> str:
    """Return what is searched in, in lower case, cut where an index ends."""
    written = f"{name or ''}\n{model}".lower().encode()
    return written[:SEARCH_BYTES].decode(errors="ignore")


class Holds(FunctionElement[bool]):
    """Whether a text holds another, by the function that finds one fastest; no pattern."""

    type = Boolean()
    inherit_cache = True
    name = "holds"


def holds(text: SQLColumnExpression[str], part: str) -> Holds:
    """Return SQL for whether ``text`` holds ``part``."""
    return Holds(text, literal(part))


@compiles(Holds, "postgresql")
def _postgresql(element: Holds, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **kw)}) > 0)"


@compiles(Holds, "sqlite")
def _sqlite(element: Holds, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **kw)}) > 0)"
