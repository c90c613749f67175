from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken

from db.core.access_errors import EncryptionKeyError
from db.startup.encryption_keys import check_encryption, create_key_file, read_cipher
from db.startup.settings import Settings

FIRST, SECOND = (Fernet.generate_key().decode() for _ in range(2))


def settings(folder: Path, **fields: Any) -> Settings:
    return Settings.model_validate({"_env_file": None, "data_dir": folder} | fields)


def test_a_private_file_is_created_once(tmp_path: Path) -> None:
    ours = settings(tmp_path)
    assert check_encryption(ours).state == "absent"
    create_key_file(ours)
    token = read_cipher(ours).encrypt(b"x")
    create_key_file(ours)
    assert read_cipher(ours).decrypt(token) == b"x"
    assert check_encryption(ours).state == "ok"
    (file,) = tmp_path.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("secrets.key", 0o600)


def test_no_file_is_created_if_a_setting_has_the_key(tmp_path: Path) -> None:
    create_key_file(settings(tmp_path, secrets_key=FIRST))
    create_key_file(settings(tmp_path, secrets_key_file=tmp_path / "other"))
    assert list(tmp_path.iterdir()) == []


def test_the_first_key_encrypts_and_all_keys_decrypt(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{SECOND}\n{FIRST}\n")
    old = read_cipher(settings(tmp_path, secrets_key=FIRST))
    both = read_cipher(settings(tmp_path, secrets_key_file=tmp_path / "keys"))
    assert both.decrypt(old.encrypt(b"x")) == b"x"
    with pytest.raises(InvalidToken):
        old.decrypt(both.encrypt(b"x"))
    assert read_cipher(settings(tmp_path, secrets_key=f"{SECOND},{FIRST}")).decrypt(
        both.encrypt(b"x")
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"secrets_key": "canary"}, "ZPRUNER_SECRETS_KEY does not hold valid Fernet keys"),
        ({"secrets_key": f"{FIRST},canary"}, "ZPRUNER_SECRETS_KEY does not hold valid"),
        ({"secrets_key": ""}, "ZPRUNER_SECRETS_KEY does not hold valid"),
        ({"secrets_key_file": "/none"}, "ZPRUNER_SECRETS_KEY_FILE=/none cannot be read"),
        ({"secrets_key": FIRST, "secrets_key_file": "/none"}, "are both set"),
    ],
    ids=range(5),  # the values have keys
)
def test_a_key_that_cannot_be_used_is_reported_at_the_start_without_the_key(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    ours = settings(tmp_path, **fields)
    with pytest.raises(EncryptionKeyError, match=reason):
        read_cipher(ours)
    found = check_encryption(ours)
    assert found.state == "wrong"
    assert reason in found.text
    assert "canary" not in found.text
    assert FIRST not in found.text
