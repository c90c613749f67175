"""The columns that lists search: copies of parts of the specification, short enough to index."""

from hashlib import sha256
from typing import Any

from sqlalchemy import Boolean, SQLColumnExpression, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.core.digests import digest
from db.spec.prune_spec import PruneSpec

# Together below the largest index entry of PostgreSQL, 2,704 bytes.
MODEL_KEY_BYTES = 256
SEARCH_BYTES = 1024
ADDED_FIELDS = ("text_field", "eval_text_field", "preset", "variant", "refine", "recover")
"""Fields that did not exist when older jobs' digests were computed."""


def search_columns(spec: PruneSpec, name: str | None) -> dict[str, str]:
    """Return the columns that lists filter by, and the digest that identical jobs share."""
    return {
        "method": spec.method.value,
        "model_key": model_key(spec.model),
        "search": search_text(spec.model, name),
        "spec_digest": _digest(spec),
    }


def _digest(spec: PruneSpec) -> str:
    """Return the digest of a specification; added fields count only if they are set."""
    written = spec.model_dump(mode="json")
    return digest({key: value for key, value in written.items()
                   if key not in ADDED_FIELDS or value is not None})  # fmt: skip


def model_key(model: str) -> str:
    """Return the indexed form of a model: its name, or the digest of a very long one."""
    written = model.encode()
    return model if len(written) <= MODEL_KEY_BYTES else f"sha256:{sha256(written).hexdigest()}"


def search_text(model: str, name: str | None) -> str:
    """Return the searched text in lower case, cut to the length that is indexed."""
    written = f"{name or ''}\n{model}".lower().encode()
    return written[:SEARCH_BYTES].decode(errors="ignore")


class Contains(FunctionElement[bool]):
    """SQL for whether a text contains another, by the database's fastest function."""

    type = Boolean()
    inherit_cache = True
    name = "contains"


def contains(text: SQLColumnExpression[str], part: str) -> Contains:
    """Return SQL for whether ``text`` contains ``part``."""
    return Contains(text, literal(part))


@compiles(Contains, "postgresql")
def _postgresql(element: Contains, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **kw)}) > 0)"


@compiles(Contains, "sqlite")
def _sqlite(element: Contains, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **kw)}) > 0)"
