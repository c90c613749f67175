"""The keys of the service; ``zpruner keys bootstrap NAME`` makes the first."""

import argparse
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from db.access.tokens import Token
from db.core.clock import now
from db.core.errors import ApiKeyNotFoundError, ApiKeyRevokedError, BadKeyError
from db.core.ids import new_id
from db.core.session import migrate, open_sessions
from db.startup import checks
from db.startup.private_files import keep_private
from db.startup.settings import Settings
from db.tables.access import DEFAULT_SCOPES, AccessScope, ApiKey

USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Quotas:
    """How much a key may have at once, or in thirty days; None: no bound."""

    jobs_in_flight: int | None = None
    gpu_hours: float | None = None
    artifact_bytes: int | None = None

    @classmethod
    def of(cls, key: ApiKey) -> "Quotas":
        """Return the quotas of a key."""
        return cls(key.max_jobs_in_flight, key.max_gpu_hours, key.max_artifact_bytes)


class KeyRepository:
    """The keys in one session, which this never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        name: str,
        scopes: Sequence[AccessScope] = DEFAULT_SCOPES,
        *,
        quotas: Quotas = Quotas(),
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> tuple[ApiKey, Token]:
        """Make a key; its token is known here and never again."""
        token = Token.new(new_id("key"))
        key = ApiKey(
            id=token.key_id,
            name=name,
            scopes=[scope.value for scope in AccessScope if scope in scopes],
            secret_digest=token.digest,
            max_jobs_in_flight=quotas.jobs_in_flight,
            max_gpu_hours=quotas.gpu_hours,
            max_artifact_bytes=quotas.artifact_bytes,
            expires_at=expires_at,
            created_by=created_by,
        )
        self._session.add(key)
        self._session.flush()
        return key, token

    def get(self, key_id: str) -> ApiKey:
        """Return a key, live or not.

        Raises:
            ApiKeyNotFoundError: there is none.
        """
        if (key := self._session.get(ApiKey, key_id, populate_existing=True)) is None:
            raise ApiKeyNotFoundError(key_id)
        return key

    def all(self) -> list[ApiKey]:
        """Return every key there ever was, newest first."""
        return list(self._session.scalars(select(ApiKey).order_by(ApiKey.id.desc())))

    def is_live(self, key_id: str) -> bool:
        """Whether there is such a key, and it is neither revoked nor expired."""
        query = select(ApiKey.id).where(ApiKey.id == key_id, _is_live())
        return self._session.scalar(query) is not None

    def has_admin(self) -> bool:
        """Whether some live key may make others."""
        live = self._session.scalars(select(ApiKey.scopes).where(_is_live()))
        return any(AccessScope.admin in scopes for scopes in live)

    def revoke(self, key_id: str) -> ApiKey:
        """End a key now, both of its secrets; twice is the same as once.

        Raises:
            ApiKeyNotFoundError: there is none.
        """
        self.get(key_id)
        self._session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id)
            .values(revoked_at=func.coalesce(ApiKey.revoked_at, now()))
            .execution_options(synchronize_session=False)
        )
        return self.get(key_id)

    def rotate(self, key_id: str, grace: timedelta) -> tuple[ApiKey, Token]:
        """Give a key a new secret; the one until now opens for ``grace`` more.

        Raises:
            ApiKeyNotFoundError: there is none.
            ApiKeyRevokedError: it is revoked, or has expired.
        """
        token = Token.new(key_id)
        key = self._session.scalar(
            update(ApiKey)
            .where(ApiKey.id == key_id, _is_live())
            .values(
                former_digest=ApiKey.secret_digest,
                former_until=now(grace),
                secret_digest=token.digest,
            )
            .returning(ApiKey)
            .execution_options(populate_existing=True, synchronize_session=False)
        )
        if key is None:
            raise ApiKeyRevokedError(self.get(key_id).id)
        return key, token

    def authenticate(self, token: Token) -> tuple[ApiKey, bool]:
        """Return the key that a token opens with, and whether its use should be noted.

        Raises:
            BadKeyError: the token opens nothing, or no longer.
        """
        query = select(ApiKey, _is_live(), ApiKey.former_until > now(), _is_unnoted())
        row = self._session.execute(query.where(ApiKey.id == token.key_id)).one_or_none()
        if row is None:
            raise BadKeyError("there is no such key, or its secret is another one")
        key, is_live, has_former, is_unnoted = row
        known = [key.secret_digest] + ([key.former_digest or ""] if has_former else [])
        # A list: every comparison is made, whatever the first one says.
        fits = [hmac.compare_digest(token.digest, digest) for digest in known]
        if not any(fits):
            raise BadKeyError("there is no such key, or its secret is another one")
        if not is_live:
            raise BadKeyError(_end(key))
        return key, is_unnoted

    def record_use(self, key_id: str) -> None:
        """Note that a key was used now."""
        self._session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id, _is_unnoted())
            .values(last_used_at=now())
            .execution_options(synchronize_session=False)
        )


def _is_live() -> ColumnElement[bool]:
    not_expired = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now())
    return and_(ApiKey.revoked_at.is_(None), not_expired)


def _is_unnoted() -> ColumnElement[bool]:
    return or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now(-USE_NOTED_EVERY))


def _end(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"key {key.name} was revoked at {key.revoked_at:%F %T} UTC"
    return f"key {key.name} expired at {key.expires_at:%F %T} UTC"


def main() -> None:
    """Make a key in the database itself, where no service runs yet; print it alone."""
    parser = argparse.ArgumentParser("zpruner keys bootstrap", description=main.__doc__)
    parser.add_argument("name", help="whose key it is")
    admin = [AccessScope.admin]
    parser.add_argument("--scopes", nargs="+", choices=list(AccessScope), default=admin)
    given = parser.parse_args()
    with checks.exit_on_error("keys"):
        settings = checks.read_settings(Settings)
        database = settings.database
        checks.require([checks.database(database, needs_tables=False)])
        keep_private(settings.data_dir)
        migrate(database)
    with open_sessions(database).begin() as session:
        _, token = KeyRepository(session).create(given.name, given.scopes)
    print(token.text)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
