"""The table of callers' secrets."""

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.tables.base import ID, Base


class CallerSecret(Base):
    """A value that jobs use by its name, such as a token of the model hub.

    Attributes:
        created_by: the id of the API key that it belongs to; ``NO_KEY`` for all callers without a
            key, who share their secrets.
        ciphertext: the encrypted value.
    """

    __tablename__ = "caller_secrets"

    created_by: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    ciphertext: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now())
    replaced_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
