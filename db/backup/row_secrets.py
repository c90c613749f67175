"""The secrets of a backup, which cannot be read without the encryption key of the service.

Callers' secrets are encrypted in the database already. Those of webhooks and triggers are stored
there in clear text, and are encrypted in backups only.
"""

from cryptography.fernet import InvalidToken, MultiFernet

from db.backup.folder import BackupError
from db.backup.tables import Row
from db.tables.caller_secrets import CallerSecret
from db.tables.triggers import Trigger
from db.tables.webhooks import Webhook
from db.webhooks.secret_rows import new_secret

SIGNING = {Webhook.__tablename__, Trigger.__tablename__}
"""The tables with secrets in clear text."""
COLUMNS = ("secret", "former_secret")
KNOWN = b"zpruner"
NO_KEY = (
    "There is no encryption key, so that the secrets of webhooks and triggers would be readable "
    "in the backup. Set ZPRUNER_SECRETS_KEY, or ZPRUNER_SECRETS_KEY_FILE "
    "(docs/access.md#the-key-of-the-secrets)."
)
WRONG_KEY = (
    "The encryption key is not that of the service that was backed up. Copy its secrets.key, or "
    "set its ZPRUNER_SECRETS_KEY. If it is lost, restore with --without-key."
)


def key_check(cipher: MultiFernet | None) -> str | None:
    """Return the text by which `require_key` recognises the key."""
    return None if cipher is None else cipher.encrypt(KNOWN).decode()


def require_key(cipher: MultiFernet, check: str | None) -> None:
    """Check that the key is that of the backup.

    Raises:
        BackupError: it is not.
    """
    if check is not None:
        _decrypted(cipher, check)


def encrypted(cipher: MultiFernet | None, table: str, row: Row) -> Row:
    """Return a row with encrypted secrets.

    Raises:
        BackupError: it has one, and there is no key.
    """
    found = _clear_texts(table, row)
    if not found:
        return row
    if cipher is None:
        raise BackupError(NO_KEY)
    return row | {name: cipher.encrypt(text.encode()).decode() for name, text in found.items()}


def decrypted(cipher: MultiFernet, table: str, row: Row) -> Row:
    """Return a row as it was in the database.

    Raises:
        BackupError: the key is not that of the backup.
    """
    found = _clear_texts(table, row).items()
    return row | {name: _decrypted(cipher, text) for name, text in found}


def replaced(table: str, row: Row) -> Row | None:
    """Return a row with a new secret; None for a row that is of no use without its own."""
    if table == CallerSecret.__tablename__:
        return None
    if table in SIGNING:
        return row | {"secret": new_secret(), "former_secret": None, "former_until": None}
    return row


def _clear_texts(table: str, row: Row) -> dict[str, str]:
    return {name: row[name] for name in COLUMNS if table in SIGNING and row[name] is not None}


def _decrypted(cipher: MultiFernet, text: str) -> str:
    try:
        return cipher.decrypt(text.encode()).decode()
    except InvalidToken:
        raise BackupError(WRONG_KEY) from None
