"""The encryption keys of callers' secrets: from a setting, or from a private file."""

import os

from cryptography.fernet import Fernet, MultiFernet

from db.core.access_errors import EncryptionKeyError
from db.core.fsync import sync_folder
from db.problems.access import ENCRYPTION_KEY
from db.startup.checks import Finding
from db.startup.settings import Settings

SUBJECT = "encryption"
SEPARATORS = str.maketrans(",", " ")


def read_cipher(settings: Settings) -> MultiFernet:
    """Return the cipher of callers' secrets: its first key encrypts, all of its keys decrypt.

    Raises:
        EncryptionKeyError: there is no key, or it is not valid.
    """
    path = settings.encryption_key_file
    if settings.secrets_key is not None and settings.secrets_key_file is not None:
        raise EncryptionKeyError("ZPRUNER_SECRETS_KEY and ZPRUNER_SECRETS_KEY_FILE are both set")
    if settings.secrets_key is not None:
        source, text = "ZPRUNER_SECRETS_KEY", settings.secrets_key.get_secret_value()
    else:
        source = f"ZPRUNER_SECRETS_KEY_FILE={path}"
        try:
            text = path.read_text("ascii")
        except (OSError, UnicodeError) as error:
            raise EncryptionKeyError(f"{source} cannot be read ({type(error).__name__})") from None
    try:
        return MultiFernet([Fernet(key) for key in text.translate(SEPARATORS).split()])
    except ValueError:
        raise EncryptionKeyError(f"{source} does not hold valid Fernet keys") from None


def create_key_file(settings: Settings) -> None:
    """Create the default file with a new key, unless it exists or the settings name a key."""
    path = settings.encryption_key_file
    if settings.secrets_key is not None or settings.secrets_key_file is not None or path.exists():
        return
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_folder(path.parent)


def check_encryption(settings: Settings) -> Finding:
    """Check the encryption key; without one the service works, but callers cannot use secrets."""
    is_default = settings.secrets_key is None and settings.secrets_key_file is None
    if is_default and not settings.encryption_key_file.exists():
        text = "no key, so callers cannot store secrets (ZPRUNER_SECRETS_KEY)"
        return Finding(SUBJECT, "absent", text)
    try:
        read_cipher(settings)
    except EncryptionKeyError as error:
        return Finding(SUBJECT, "wrong", f"{error}. {ENCRYPTION_KEY.remedy}")
    return Finding(SUBJECT, "ok", "callers' secrets are encrypted")
