"""Reading the rows of a table by their ids."""

from typing import Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.core.errors import NotFoundError
from db.tables.base import IdRow

Row = TypeVar("Row", bound=IdRow)


class Rows(Generic[Row]):
    """The rows of one table.

    Attributes:
        error: the error if a row does not exist.
    """

    table: type[Row]
    error: type[NotFoundError]

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, row_id: str) -> Row:
        """Return the current row with this id.

        Raises:
            NotFoundError: there is no such row.
        """
        if (row := self._session.get(self.table, row_id, populate_existing=True)) is None:
            raise self.error(row_id)
        return row

    def all(self) -> list[Row]:
        """Return all rows, newest first."""
        return list(self._session.scalars(select(self.table).order_by(self.table.id.desc())))
