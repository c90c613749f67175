"""The table of jobs' finished files."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.core.ids import new_id
from db.tables.base import ID, Base
from db.tables.jobs import Job


class Artifact(Base):
    """One finished file of a job; its path contains the attempt.

    Attributes:
        checked_at: the time when the file was last compared with ``sha256``, or was stored.
        checked_as: the file's identity at that time (`StoredFile.identity`).
        damage: a description of the damage that the last check found; None if it found none.
        deleted_at: the time when a retention rule deleted the file; None if none did.
        deleted_by: the name of that rule.
        on_disk: whether the file may still be stored; a file that a rule deletes is removed after
            the deletion is committed.
    """

    __tablename__ = "artifacts"
    __table_args__ = (
        UniqueConstraint("job_id", "name"),
        Index("ix_artifacts_stored", "on_disk", "deleted_by", "size_bytes"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("art"))
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"))
    attempt: Mapped[int]
    name: Mapped[str] = mapped_column(String(1024))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=now())
    checked_at: Mapped[datetime | None] = mapped_column(default=now(), index=True)
    checked_as: Mapped[str | None] = mapped_column(String(100))
    damage: Mapped[str | None] = mapped_column(String(200))
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[str | None] = mapped_column(String(63))
    on_disk: Mapped[bool] = mapped_column(default=True, server_default=true())
