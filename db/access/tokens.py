"""API keys as clients send them: ``zpr_<id>_<secret><crc>``."""

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

ALPHABET = string.digits + string.ascii_letters
SECRET_LENGTH = 40  # 238 bits
CRC_LENGTH = 6
PATTERN = re.compile(
    rf"zpr_([0-9a-f]{{32}})_([{ALPHABET}]{{{SECRET_LENGTH}}})([{ALPHABET}]{{{CRC_LENGTH}}})"
)


class MalformedTokenError(ValueError):
    """The text is not a key; the message gives the reason, but not the text."""


@dataclass(frozen=True)
class SentKey:
    """The id of the key that a request has sent, and the digest of the key's secret."""

    key_id: str
    digest: str = field(repr=False)


@dataclass(frozen=True)
class Token:
    """A key's id and secret; the ``repr`` does not contain the secret."""

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, key_id: str) -> Self:
        """Return a token with a new random secret."""
        return cls(key_id, "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH)))

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse a token and check its CRC.

        Raises:
            MalformedTokenError: the format or the CRC is wrong.
        """
        if (match := PATTERN.fullmatch(text)) is None:
            raise MalformedTokenError("the key does not look like zpr_<id>_<secret>")
        token = cls(f"key_{match[1]}", match[2])
        if token.text != text:
            raise MalformedTokenError("the checksum in the key is wrong: probably a typing error")
        return token

    @property
    def text(self) -> str:
        """The token in the format in which clients send it."""
        start = f"zpr_{self.key_id.removeprefix('key_')}_{self.secret}"
        return start + _crc(start)

    @property
    def digest(self) -> str:
        """The secret's SHA-256, to be stored. A fast hash is safe for a long random secret."""
        return sha256(self.secret.encode()).hexdigest()

    @property
    def sent(self) -> SentKey:
        """The key's id and digest, which are enough to authenticate."""
        return SentKey(self.key_id, self.digest)


def _crc(start: str) -> str:
    rest, checksum = zlib.crc32(start.encode()), ""
    for _ in range(CRC_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        checksum = ALPHABET[digit] + checksum
    return checksum
