"""Keys as their owners hold them: ``zpr_<id>_<secret><crc>``."""

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
WRITTEN = re.compile(
    rf"zpr_([0-9a-f]{{32}})_([{ALPHABET}]{{{SECRET_LENGTH}}})([{ALPHABET}]{{{CRC_LENGTH}}})"
)


class MalformedTokenError(ValueError):
    """The text is no key; the message says why and does not repeat it."""


@dataclass(frozen=True)
class Token:
    """A key's id and its secret, which no representation shows."""

    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls, key_id: str) -> Self:
        """Return a token with a fresh secret."""
        return cls(key_id, "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH)))

    @classmethod
    def read(cls, written: str) -> Self:
        """Read what an owner sends.

        Raises:
            MalformedTokenError: it is no key, or not as it was given out.
        """
        if (match := WRITTEN.fullmatch(written)) is None:
            raise MalformedTokenError("what was sent does not look like zpr_<id>_<secret>")
        token = cls(f"key_{match[1]}", match[2])
        if token.text != written:
            raise MalformedTokenError("its last characters do not fit the others: a typing error")
        return token

    @property
    def text(self) -> str:
        """The text that the owner keeps."""
        opening = f"zpr_{self.key_id.removeprefix('key_')}_{self.secret}"
        return opening + _crc(opening)

    @property
    def digest(self) -> str:
        """What the database keeps of the secret; it is long enough to need no slow hash."""
        return sha256(self.secret.encode()).hexdigest()


def _crc(opening: str) -> str:
    rest, written = zlib.crc32(opening.encode()), ""
    for _ in range(CRC_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        written = ALPHABET[digit] + written
    return written
