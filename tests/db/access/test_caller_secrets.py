import json

import pytest
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy import update

from db.access import caller_secrets
from db.access.audit import AuditRepository
from db.access.caller_secrets import SecretRepository, read_model_secret, require_secret
from db.core.access_errors import (
    EncryptionKeyError,
    SecretExistsError,
    SecretNotFoundError,
    TooManySecretsError,
)
from db.core.errors import SpecRefusedError
from db.core.redaction import redact
from db.core.session import Sessions
from db.startup.settings import Settings
from db.tables.caller_secrets import CallerSecret
from tests.factories import make_key, make_spec

VALUE, OTHER = "canary.first", "canary.second"
KEY = Fernet.generate_key()
CIPHER = MultiFernet([Fernet(KEY)])
SETTINGS = Settings.model_validate({"_env_file": None, "secrets_key": KEY.decode()})
WRONG = Settings.model_validate({"_env_file": None, "secrets_key": Fernet.generate_key().decode()})


def store(sessions: Sessions, value: str = VALUE, key_id: str | None = None) -> None:
    with sessions.begin() as session:
        SecretRepository(session).set("hf", value, key_id, CIPHER)


def test_a_secret_is_stored_encrypted_and_read_by_its_owner_only(sessions: Sessions) -> None:
    ours, others = (make_key(sessions)[0].id for _ in range(2))
    store(sessions, VALUE, ours)
    store(sessions, OTHER)
    with sessions.begin() as session:
        secrets = SecretRepository(session)
        assert secrets.use("hf", ours, CIPHER, "a test") == VALUE
        assert secrets.use("hf", None, CIPHER, "a test") == OTHER
        with pytest.raises(SecretNotFoundError):
            secrets.use("hf", others, CIPHER, "a test")
        with pytest.raises(SecretNotFoundError):
            secrets.delete("hf", others)
        assert [one.name for one in secrets.of(ours)] == ["hf"]
        assert (secrets.of(others), len(secrets.all())) == ([], 2)
        assert all("canary" not in one.ciphertext for one in secrets.all())


def test_a_secret_is_created_once_replaced_and_deleted(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller_secrets, "MAX_SECRETS", 1)
    with sessions.begin() as session:
        secrets = SecretRepository(session)
        assert secrets.create("hf", VALUE, None, CIPHER).replaced_at is None
        with pytest.raises(SecretExistsError, match="already a secret hf"):
            secrets.create("hf", OTHER, None, CIPHER)
        with pytest.raises(TooManySecretsError):
            secrets.set("another", OTHER, None, CIPHER)
        replaced, is_new = secrets.set("hf", OTHER, None, CIPHER)
        assert (is_new, replaced.replaced_at is not None) == (False, True)
        assert secrets.use("hf", None, CIPHER, "a test") == OTHER
        secrets.delete("hf", None)
        assert secrets.all() == []


def test_each_use_is_recorded_and_the_value_is_removed_from_logs(sessions: Sessions) -> None:
    key = make_key(sessions)[0].id
    store(sessions, "canary.recorded", key)
    spec = make_spec(model_secret="hf")
    token = read_model_secret(sessions, SETTINGS, spec, key, "job job_1")
    assert token == "canary.recorded"
    assert redact(f"refused {token}") == "refused ***"
    with sessions() as session:
        (secret,) = SecretRepository(session).of(key)
        (entry,) = AuditRepository(session).page()
    assert secret.last_used_at is not None
    assert (entry.key_id, entry.who, entry.action) == (key, "job job_1", "use_secret")
    assert entry.target == "/v1/secrets/hf"
    assert read_model_secret(sessions, SETTINGS, make_spec(), key, "a test") is None


def test_a_missing_secret_is_refused_with_the_field_the_name_and_the_remedy(
    sessions: Sessions,
) -> None:
    store(sessions)
    with pytest.raises(SpecRefusedError) as refused:
        read_model_secret(sessions, SETTINGS, make_spec(model_secret="none"), None, "a test")
    assert (refused.value.field, refused.value.value) == ("model_secret", "none")
    assert "zpruner secrets set none" in refused.value.remedy
    with sessions() as session:
        require_secret(session, "hf", None)
        require_secret(session, None, None)
        with pytest.raises(SpecRefusedError, match="key key_1 has no secret of this name"):
            require_secret(session, "hf", "key_1")


def test_another_encryption_key_or_a_value_of_another_row_is_refused(sessions: Sessions) -> None:
    store(sessions)
    with pytest.raises(EncryptionKeyError, match="hf was encrypted with another key"):
        read_model_secret(sessions, WRONG, make_spec(model_secret="hf"), None, "a test")
    with sessions.begin() as session:
        moved = CIPHER.encrypt(json.dumps(["", "other", VALUE]).encode()).decode()
        session.execute(update(CallerSecret).values(ciphertext=moved))
    with pytest.raises(EncryptionKeyError, match="hf has the value of another one"):
        read_model_secret(sessions, SETTINGS, make_spec(model_secret="hf"), None, "a test")
