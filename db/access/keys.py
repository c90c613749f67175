"""API keys."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from db.access.tokens import SentKey, Token
from db.core.access_errors import ApiKeyNotFoundError, ApiKeyRevokedError, BadKeyError
from db.core.clock import now
from db.core.ids import new_id
from db.tables.access import DEFAULT_SCOPES, AccessScope, ApiKey
from db.tables.rows import Rows

RECORD_USE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Quotas:
    """Limits of a key: unfinished jobs, GPU hours in thirty days, stored bytes, cost in a month.

    None means that there is no limit.
    """

    jobs_in_flight: int | None = None
    gpu_hours: float | None = None
    artifact_bytes: int | None = None
    monthly_cost: float | None = None

    @classmethod
    def of(cls, key: ApiKey) -> "Quotas":
        return cls(**{name: getattr(key, f"max_{name}") for name in QUOTAS})

    def columns(self) -> dict[str, Any]:
        """Return the columns of a key that have these limits."""
        return {f"max_{name}": getattr(self, name) for name in QUOTAS}


QUOTAS = tuple(field.name for field in fields(Quotas))


class KeyRepository(Rows[ApiKey]):
    """Creates, reads, authenticates, rotates and revokes API keys; never commits.

    Keys that are revoked or expired are read, too.
    """

    table = ApiKey
    error = ApiKeyNotFoundError

    def create(
        self,
        name: str,
        scopes: Sequence[AccessScope] = DEFAULT_SCOPES,
        *,
        quotas: Quotas = Quotas(),
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> tuple[ApiKey, Token]:
        """Create a key and its token; the token's secret is not stored."""
        token = Token.new(new_id("key"))
        key = ApiKey(
            id=token.key_id,
            name=name,
            scopes=[scope.value for scope in AccessScope if scope in scopes],
            secret_digest=token.digest,
            **quotas.columns(),
            expires_at=expires_at,
            created_by=created_by,
        )
        self._session.add(key)
        self._session.flush()
        return key, token

    def limit(self, key_id: str, limits: Mapping[str, float | None]) -> ApiKey:
        """Set the quotas of a key that are named; the others stay as they are.

        Raises:
            ApiKeyNotFoundError: there is no such key.
        """
        key = self.get(key_id)
        if not limits:
            return key
        self._session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id)
            .values({f"max_{name}": limit for name, limit in limits.items()})
            .execution_options(synchronize_session=False)
        )
        return self.get(key_id)

    def is_live(self, key_id: str) -> bool:
        """Whether the key exists and is neither revoked nor expired."""
        query = select(ApiKey.id).where(ApiKey.id == key_id, _is_live())
        return self._session.scalar(query) is not None

    def has_admin(self) -> bool:
        """Whether there is a key with the scope `admin` that is neither revoked nor expired."""
        live = self._session.scalars(select(ApiKey.scopes).where(_is_live()))
        return any(AccessScope.admin in scopes for scopes in live)

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key, so that neither its current nor its former secret is valid.

        A key that is already revoked does not change.

        Raises:
            ApiKeyNotFoundError: there is no such key.
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
        """Give a key a new secret; the current secret stays valid for `grace`.

        Raises:
            ApiKeyNotFoundError: there is no such key.
            ApiKeyRevokedError: the key is revoked or expired.
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

    def authenticate(self, sent: SentKey) -> tuple[ApiKey, bool]:
        """Return the key that was sent, and whether `record_use` should be called for it.

        Raises:
            BadKeyError: there is no such key, its secret is wrong, or it is revoked or expired.
        """
        query = select(ApiKey, _is_live(), ApiKey.former_until > now(), _is_use_unrecorded())
        row = self._session.execute(query.where(ApiKey.id == sent.key_id)).one_or_none()
        if row is None:
            raise BadKeyError("there is no such key, or the secret is wrong")
        key, is_live, has_former, is_use_unrecorded = row
        known = [key.secret_digest] + ([key.former_digest or ""] if has_former else [])
        # A list, so that the time does not depend on which secret matches.
        matches = [hmac.compare_digest(sent.digest, digest) for digest in known]
        if not any(matches):
            raise BadKeyError("there is no such key, or the secret is wrong")
        if not is_live:
            raise BadKeyError(_reason(key))
        return key, is_use_unrecorded

    def record_use(self, key_id: str) -> None:
        """Set the key's time of last use, at most once a minute."""
        self._session.execute(
            update(ApiKey)
            .where(ApiKey.id == key_id, _is_use_unrecorded())
            .values(last_used_at=now())
            .execution_options(synchronize_session=False)
        )


def _is_live() -> ColumnElement[bool]:
    not_expired = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now())
    return and_(ApiKey.revoked_at.is_(None), not_expired)


def _is_use_unrecorded() -> ColumnElement[bool]:
    return or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now(-RECORD_USE_EVERY))


def _reason(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"key {key.name} was revoked at {key.revoked_at:%F %T} UTC"
    return f"key {key.name} expired at {key.expires_at:%F %T} UTC"
