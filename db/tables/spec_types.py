"""Types of columns with a specification, or the verdict on a job's result."""

from typing import Any

from sqlalchemy import Dialect, Enum, TypeDecorator

from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Verdict
from db.tables.base import SEARCHABLE_JSON, Document

VERDICT = Enum(
    Verdict,
    native_enum=False,
    length=8,
    values_callable=lambda kind: [verdict.value for verdict in kind],
)


class SpecType(TypeDecorator[PruneSpec]):
    """A specification, stored as JSON and validated when it is read."""

    impl = SEARCHABLE_JSON
    cache_ok = True

    def process_bind_param(self, value: PruneSpec | None, dialect: Dialect) -> Document | None:
        return None if value is None else value.stored()

    def process_result_value(self, value: Any, dialect: Dialect) -> PruneSpec | None:
        return None if value is None else PruneSpec.from_stored(value)
