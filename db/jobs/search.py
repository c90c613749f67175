"""The searched columns of a job: its method, model, name and labels, short enough to index."""

import re
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from sqlalchemy import Boolean, ColumnElement, SQLColumnExpression, literal, or_
from sqlalchemy import text as sql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from db.core.digests import digest
from db.events.job_events import IDS_AT_ONCE
from db.spec.inputs.job_results import JOB
from db.spec.propagation import propagation_of
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Job

# Together below the largest index entry of PostgreSQL, 2,704 bytes.
MODEL_KEY_BYTES = 256
SEARCH_BYTES = 1024
DIGESTED = "sha256:"
"""The prefix of the ``model_key`` of a model with a very long name."""
FIRST_FIELDS = frozenset(
    {
        *("model", "sparsity", "dataset", "revision", "method", "scope", "pattern", "solver"),
        *("correction", "damping", "allocation", "skip", "propagation", "samples", "seq_len"),
        *("seed", "dtype", "eval_dataset", "eval_samples"),
    }
)
"""The fields of the oldest jobs; their digests are those of these fields alone."""
LATER: Mapping[str, str] = MappingProxyType({"mix": "generated", "recover": "skip"})
"""For each field, a member of its objects that earlier jobs do not have."""
NO_LABELS: Mapping[str, object] = MappingProxyType({})
# Shorter parts, such as "ba", are in most ids.
PART_OF_ID = re.compile(r"(?:job_)?[0-9a-f]{6,32}")


def search_columns(
    spec: PruneSpec,
    name: str | None,
    labels: Mapping[str, object] = NO_LABELS,
    result_digest: str | None = None,
) -> dict[str, str]:
    """Return values for the columns ``method``, ``model_key``, ``search`` and ``spec_digest``.

    ``result_digest`` is the digest of the model if it is the result of a job.
    """
    return {
        "method": spec.method.value,
        "model_key": model_key(spec.model),
        "search": search_text(spec.model, name, labels),
        "spec_digest": _digest(spec, result_digest),
    }


def _digest(spec: PruneSpec, result_digest: str | None) -> str:
    """Return the digest of a specification; later fields are included only if they are set.

    The propagation is included as the job implies it, which was a value of its own once.
    """
    written = spec.model_dump(mode="json") | {"propagation": propagation_of(spec).value}
    if result_digest is not None:  # equal results of several jobs are one model
        written["model"] = f"{JOB}{result_digest}"
    counted = {key: value for key, value in written.items() if _counts(key, value)}
    return digest({key: _without(LATER.get(key), value) for key, value in counted.items()})


def _without(member: str | None, value: Any) -> Any:
    """Return the value of a field without a member of its objects, where that has no effect."""
    if isinstance(value, list):
        return [_without(member, item) for item in value]
    if not isinstance(value, dict) or value.get(member):
        return value
    return {key: item for key, item in value.items() if key != member}


def _counts(name: str, value: object) -> bool:
    """Whether a field is one of `FIRST_FIELDS`, or not as in a job that does not name it."""
    return name in FIRST_FIELDS or bool(value) != bool(PruneSpec.model_fields[name].default)


def model_key(model: str) -> str:
    """Return the indexed form of a model: its name, or the digest of a very long one."""
    written = model.encode()
    return model if len(written) <= MODEL_KEY_BYTES else f"{DIGESTED}{sha256(written).hexdigest()}"


def search_text(model: str, name: str | None, labels: Mapping[str, object] = NO_LABELS) -> str:
    """Return the model, name and labels in lower case, cut to `SEARCH_BYTES`."""
    pairs = [f"{label}={value}" for label, value in labels.items()]
    written = "\n".join([name or "", model, *pairs]).lower().encode()
    return written[:SEARCH_BYTES].decode(errors="ignore")


def mentions(text: str) -> ColumnElement[bool]:
    """Return SQL for whether ``text`` occurs in a job's name, model, labels or id.

    Ids are searched only if ``text`` looks like a part of one (see `PART_OF_ID`).
    """
    part = text.strip().lower()
    named = contains(Job.search, part)
    return or_(named, contains(Job.id, part)) if PART_OF_ID.fullmatch(part) else named


def mentioning(session: Session, text: str) -> list[str] | None:
    """Return the ids of the jobs that may mention a part of an id, from the index of all texts.

    None if ``text`` is none, or if there are too many of them: a list then finds the jobs of a page
    sooner as it goes along its own index.
    """
    part = text.strip().lower()
    if not PART_OF_ID.fullmatch(part):
        return None
    texts = _TEXTS[session.connection().dialect.name]
    values = {"part": part.removeprefix("job_"), "few": IDS_AT_ONCE}
    ids = list(session.connection().scalars(texts, values))
    return ids if len(ids) <= IDS_AT_ONCE else None


_TEXTS = {
    "sqlite": sql("SELECT id FROM job_texts WHERE text MATCH :part LIMIT :few + 1"),
    "postgresql": sql(
        "SELECT id FROM jobs WHERE zpruner_trigrams(id || chr(10) || search) "
        "@> zpruner_trigrams(:part) LIMIT :few + 1"
    ),
}
"""See the migration 0035."""


class Contains(FunctionElement[bool]):
    """SQL for whether one text contains another, using the database's fastest function."""

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
