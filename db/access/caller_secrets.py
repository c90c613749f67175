"""Callers' secrets, which are stored encrypted and decrypted only where they are used."""

import json
import socket
from collections.abc import Sequence

from cryptography.fernet import InvalidToken, MultiFernet
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.access.audit import AuditRepository
from db.buckets.access_key import parse_access_key
from db.core import redaction
from db.core.access_errors import (
    EncryptionKeyError,
    SecretExistsError,
    SecretNotFoundError,
    TooManySecretsError,
)
from db.core.clock import now
from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.spec.inputs.bucket_references import S3
from db.spec.prune_spec import PruneSpec
from db.startup.encryption_keys import read_cipher
from db.startup.settings import Settings
from db.tables.access import NO_KEY
from db.tables.caller_secrets import CallerSecret

MAX_SECRETS = 100
"""The largest number of secrets of one API key."""


class SecretRepository:
    """Stores, lists, decrypts and deletes callers' secrets; never commits.

    In all methods ``key_id`` is the id of the API key that a secret belongs to; None for callers
    without a key.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self, name: str, value: str, key_id: str | None, cipher: MultiFernet
    ) -> CallerSecret:
        """Store a new secret.

        Raises:
            SecretExistsError: the key has a secret of this name.
            TooManySecretsError: the key has `MAX_SECRETS` secrets.
        """
        secrets = self.of(key_id)
        if name in {secret.name for secret in secrets}:
            raise SecretExistsError(name)
        if len(secrets) >= MAX_SECRETS:
            raise TooManySecretsError(MAX_SECRETS)
        secret = CallerSecret(
            created_by=key_id or NO_KEY,
            name=name,
            ciphertext=_encrypted(name, value, key_id, cipher),
        )
        self._session.add(secret)
        try:
            self._session.flush()
        except IntegrityError:  # by a concurrent request
            raise SecretExistsError(name) from None
        return secret

    def set(
        self, name: str, value: str, key_id: str | None, cipher: MultiFernet
    ) -> tuple[CallerSecret, bool]:
        """Replace a secret's value, or store a new secret; return the secret and whether it is new.

        Raises:
            TooManySecretsError: the secret is new, and the key has `MAX_SECRETS` secrets.
            SecretExistsError: a concurrent request has stored a secret of this name.
        """
        ciphertext = _encrypted(name, value, key_id, cipher)
        replaced = self._change(name, key_id, ciphertext=ciphertext, replaced_at=now())
        if replaced is not None:
            return replaced, False
        return self.create(name, value, key_id, cipher), True

    def of(self, key_id: str | None) -> Sequence[CallerSecret]:
        """Return the secrets of one key, by name."""
        query = select(CallerSecret).where(CallerSecret.created_by == (key_id or NO_KEY))
        return self._session.scalars(query.order_by(CallerSecret.name)).all()

    def all(self) -> Sequence[CallerSecret]:
        """Return the secrets of all keys, by name."""
        query = select(CallerSecret).order_by(CallerSecret.name, CallerSecret.created_by)
        return self._session.scalars(query).all()

    def delete(self, name: str, key_id: str | None) -> None:
        """Delete a secret.

        Raises:
            SecretNotFoundError: the key has no secret of this name.
        """
        deleted = delete(CallerSecret).where(*_is(name, key_id)).returning(CallerSecret.name)
        deleted = deleted.execution_options(synchronize_session=False)
        if self._session.scalar(deleted) is None:
            raise SecretNotFoundError(name)

    def use(self, name: str, key_id: str | None, cipher: MultiFernet, used_by: str) -> str:
        """Return a secret's value, and record its use in the row and in the audit log.

        Raises:
            SecretNotFoundError: the key has no secret of this name.
            EncryptionKeyError: the value was encrypted with another key.
        """
        if (secret := self._change(name, key_id, last_used_at=now())) is None:
            raise SecretNotFoundError(name)
        value = _decrypted(secret, cipher)
        redaction.register(value)
        AuditRepository(self._session).add(
            key_id=key_id,
            who=used_by,
            action="use_secret",
            target=f"/v1/secrets/{name}",
            status=200,
            request_id="",
            address=socket.gethostname(),
        )
        return value

    def _change(self, name: str, key_id: str | None, **values: object) -> CallerSecret | None:
        return self._session.scalar(
            update(CallerSecret)
            .where(*_is(name, key_id))
            .values(**values)
            .returning(CallerSecret)
            .execution_options(populate_existing=True, synchronize_session=False)
        )


def read_model_secret(
    sessions: Sessions, settings: Settings, spec: PruneSpec, key_id: str | None, used_by: str
) -> str | None:
    """Return the value of the secret that a job names in ``model_secret``; None if it names none.

    It is a token of the hub, or the access key of a bucket.

    Args:
        key_id: the API key that the job counts against; only its secrets can be used.
        used_by: what the value is read for, as in ``job job_…``, for the audit log.

    Raises:
        SpecRefusedError: the key has no secret of this name, or the model is in a bucket and the
            value is no access key.
        EncryptionKeyError: this process cannot decrypt it.
    """
    if (name := spec.model_secret) is None:
        return None
    value = read_secret(sessions, settings, name, key_id, used_by)
    if spec.model.startswith(S3):
        _require_access_key(name, value)
    return value


def _require_access_key(name: str, value: str) -> None:
    try:
        parse_access_key(value)
    except ValueError as error:
        reason = "its value is not the access key of a bucket"
        remedy = f"{error} Store it with `zpruner secrets set {name}`."
        raise SpecRefusedError("model_secret", name, "secret_format", reason, remedy) from None


def read_secret(
    sessions: Sessions,
    settings: Settings,
    name: str,
    key_id: str | None,
    used_by: str,
    field: str = "model_secret",
) -> str:
    """Return the value of a secret that a job names in ``field``.

    Raises:
        SpecRefusedError: the key has no secret of this name.
        EncryptionKeyError: this process cannot decrypt it.
    """
    try:
        with sessions.begin() as session:
            return SecretRepository(session).use(name, key_id, read_cipher(settings), used_by)
    except SecretNotFoundError:
        raise _no_such_secret(field, name, key_id) from None


def require_secret(
    session: Session, name: object, key_id: str | None, field: str = "model_secret"
) -> None:
    """Check that a key has the secret that a field names, if it names one.

    Raises:
        SpecRefusedError: the key has no secret of this name.
    """
    owned = {secret.name for secret in SecretRepository(session).of(key_id)}
    if name is not None and name not in owned:
        raise _no_such_secret(field, name, key_id)


def _no_such_secret(field: str, name: object, key_id: str | None) -> SpecRefusedError:
    owner = "callers without a key have" if key_id is None else f"key {key_id} has"
    return SpecRefusedError(
        field,
        name,
        "secret_not_found",
        f"{owner} no secret of this name",
        f"Store it under the same key with `zpruner secrets set {name}`, or name another one.",
    )


def _is(name: str, key_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return CallerSecret.created_by == (key_id or NO_KEY), CallerSecret.name == name


def _encrypted(name: str, value: str, key_id: str | None, cipher: MultiFernet) -> str:
    """Encrypt a value together with its owner and name: it decrypts in no other row."""
    redaction.register(value)
    return cipher.encrypt(json.dumps([key_id or NO_KEY, name, value]).encode()).decode()


def _decrypted(secret: CallerSecret, cipher: MultiFernet) -> str:
    try:
        owner, name, value = json.loads(cipher.decrypt(secret.ciphertext))
    except InvalidToken:
        reason = f"secret {secret.name} was encrypted with another key"
        raise EncryptionKeyError(reason) from None
    if (owner, name) != (secret.created_by, secret.name):
        raise EncryptionKeyError(f"secret {secret.name} has the value of another one")
    return str(value)
