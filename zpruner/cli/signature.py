"""The signature of a job's statement, checked with a public key; needs the extra ``verify``."""

import json
from pathlib import Path

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # it has no __all__

from zpruner.client.models.provenance import ENVELOPE, FILE


def signature_error(folder: Path, public_key: Path) -> str | None:
    """Return why the statement in a folder is not signed with a key, or None if it is.

    Raises:
        BadParameter: the public key cannot be used.
    """
    key = _read_key(public_key)
    try:
        envelope = Envelope.from_dict(json.loads((folder / ENVELOPE).read_bytes()))
        envelope.verify([key], 1)
    except OSError as error:
        return f"{ENVELOPE}: {error.strerror}; a job has it if its worker signs"
    except (KeyError, TypeError, AttributeError, ValueError, Error):
        return f"{ENVELOPE} is not signed with the key in {public_key}"
    if envelope.payload != (folder / FILE).read_bytes():
        return f"{FILE} is not the statement that was signed"
    return None


def _read_key(path: Path) -> SSlibKey:
    try:
        return SSlibKey.from_crypto(load_pem_public_key(path.read_bytes()))
    except OSError as error:
        reason = f"{path}: {error.strerror}"
    except (ValueError, UnsupportedAlgorithm):
        reason = f"{path} does not hold a public key in PEM, of Ed25519, ECDSA or RSA"
    raise typer.BadParameter(reason, param_hint="--public-key") from None
