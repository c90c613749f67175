"""Rows with a secret that others sign or authenticate with: webhooks and triggers."""

import secrets
from base64 import b64encode
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import delete, null, update

from db.core.clock import now
from db.tables.base import SecretRow
from db.tables.rows import Rows

SECRET_BYTES = 32
Row = TypeVar("Row", bound=SecretRow)


class SecretRows(Rows[Row]):
    """Changes the rows of a table with secrets; never commits."""

    def rotate(self, row_id: str, grace: timedelta) -> Row:
        """Replace a secret; the former one stays valid for ``grace``.

        Raises:
            NotFoundError: there is no such row.
        """
        former = {"former_secret": self.table.secret, "former_until": now(grace)}
        if not grace:
            former = {"former_secret": null(), "former_until": null()}
        return self._set(row_id, secret=new_secret(), **former)

    def delete(self, row_id: str) -> None:
        """Delete a row with its deliveries, but not the jobs that it created.

        Raises:
            NotFoundError: there is no such row.
        """
        deleted = delete(self.table).where(self.table.id == row_id).returning(self.table.id)
        deleted = deleted.execution_options(synchronize_session=False)
        if self._session.scalar(deleted) is None:
            raise self.error(row_id)

    def _set(self, row_id: str, **values: Any) -> Row:
        changed = self._session.scalar(
            update(self.table)
            .where(self.table.id == row_id)
            .values(**values)
            .returning(self.table)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        if changed is None:
            raise self.error(row_id)
        return changed


def new_secret() -> str:
    """Return a new secret in the format of Standard Webhooks."""
    return f"whsec_{b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
