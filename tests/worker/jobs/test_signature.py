"""The signing key of a worker is checked at its start."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.signing import pem, public_pem
from worker.jobs.signature import check_signing_key


def test_no_key_is_required() -> None:
    assert check_signing_key(None).state == "absent"


@pytest.mark.parametrize(
    ("key", "kind"), [(Ed25519PrivateKey.generate(), "ed25519"), (new_ec_key(SECP256R1()), "ecdsa")]
)
def test_a_valid_key_is_named_by_its_kind(key: PrivateKeyTypes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(key))
    found = check_signing_key(tmp_path / "key.pem")
    assert (found.state, f"signed with {kind} " in found.text) == ("ok", True)


@pytest.mark.parametrize(
    "content",
    [b"", b"no key", public_pem(Ed25519PrivateKey.generate()), pem(X25519PrivateKey.generate())],
)
def test_another_content_is_wrong(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    found = check_signing_key(tmp_path / "key.pem")
    assert (found.state, "does not hold a private key in PEM" in found.text) == ("wrong", True)


def test_a_missing_file_is_wrong_and_named(tmp_path: Path) -> None:
    found = check_signing_key(tmp_path / "key.pem")
    assert (found.state, "key.pem cannot be read (No such file" in found.text) == ("wrong", True)
