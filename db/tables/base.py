"""Column types and naming conventions of all tables."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Enum, MetaData, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.core.clock import UTCDateTime
from db.core.states import JobState, Phase

Document = dict[str, Any]
# JSONB loses the order of keys, so it is used only where queries search the document.
SEARCHABLE_JSON = JSON().with_variant(JSONB(), "postgresql")
STATE = Enum(JobState, native_enum=False, length=16)
PHASE = Enum(Phase, native_enum=False, length=16)
ID = String(40)

# Server defaults of columns that were added to tables with rows.
EMPTY_TEXT = text("''")
ZERO = text("0")


class Base(DeclarativeBase):
    """Base of all tables; names every constraint, so that migrations can drop it by name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UTCDateTime(),
        Document: JSON(none_as_null=True),
        JobState: STATE,
        Phase: PHASE,
    }


class IdRow(Base):
    """A row with an id, whose order is that of creation."""

    __abstract__ = True

    id: Mapped[str]


class SecretRow(IdRow):
    """A row with a secret, in clear text, because signatures are computed with it.

    The former secret is the one before the last rotation; it is valid until ``former_until``.
    """

    __abstract__ = True

    secret: Mapped[str] = mapped_column(String(64))
    former_secret: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[datetime | None]
