"""The table of uploaded datasets."""

from datetime import datetime

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.core.clock import now
from db.core.ids import new_id
from db.spec.datasets.upload_store import UPLOADED
from db.tables.base import ID, IdRow


class Dataset(IdRow):
    """One uploaded dataset; its file is in the upload store, named after the dataset's id."""

    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("sha256", "media_type"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("dat"))
    name: Mapped[str | None] = mapped_column(String(200))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now())
    created_by: Mapped[str | None] = mapped_column(ID, index=True)

    @property
    def reference(self) -> str:
        """The value of a job's ``dataset`` field that refers to this dataset."""
        return f"{UPLOADED}{self.id}"
