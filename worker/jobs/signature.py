"""The signature of a job's statement, in an envelope as in-toto's attestations have it.

The envelope is DSSE (https://github.com/secure-systems-lab/dsse) and holds the statement itself.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from db.startup.checks import Finding

if TYPE_CHECKING:
    from securesystemslib.signer import (  # type: ignore[attr-defined] # it has no __all__
        CryptoSigner,
    )

ENVELOPE = "provenance.intoto.jsonl"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class SigningKeyError(Exception):
    """The signing key is missing or cannot be used."""


def read_signer(path: Path) -> "CryptoSigner":
    """Read a private key, in PEM and without a password, of a kind that signatures exist for.

    The library is imported only here: it imports the clients of clouds that are installed.

    Raises:
        SigningKeyError: the file cannot be read, or does not hold such a key.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
        library = import_module("securesystemslib.signer")
        signer: CryptoSigner = library.CryptoSigner(
            key, library.SSlibKey.from_crypto(key.public_key())
        )
        return signer
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        reason = "does not hold a private key in PEM, without a password, of Ed25519, ECDSA or RSA"
    raise SigningKeyError(f"ZPRUNER_SIGNING_KEY_FILE={path} {reason}") from None


def check_signing_key(path: Path | None) -> Finding:
    if path is None:
        return Finding("signing key", "absent", "provenance is not signed")
    try:
        key = read_signer(path).public_key
    except SigningKeyError as error:
        return Finding("signing key", "wrong", f"{error}. {REMEDY}")
    return Finding("signing key", "ok", f"provenance is signed with {key.keytype} {key.keyid[:12]}")


def sign_statement(statement: Path, signer: "CryptoSigner") -> None:
    """Sign a statement, and write the signed envelope (DSSE) beside it, as `ENVELOPE`."""
    envelope = import_module("securesystemslib.dsse").Envelope(
        statement.read_bytes(), PAYLOAD_TYPE, {}
    )
    envelope.sign(signer)
    statement.with_name(ENVELOPE).write_text(json.dumps(envelope.to_dict()) + "\n")


REMEDY = "Correct it (docs/provenance.md#signatures), or remove it to sign nothing."
