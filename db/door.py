"""Who is let in: by where the service listens, and by what its operator decided."""

import ipaddress
from typing import Literal

from pydantic import Field

from db.settings import Settings


class DoorSettings(Settings):
    """Adds where to listen, and who may come in, to the shared settings.

    Attributes:
        auth: ``auto`` asks for no key on loopback and for one everywhere else; ``keys`` asks for
            one everywhere; ``none`` asks nobody, for a network or a proxy that lets in only who
            may.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    auth: Literal["auto", "keys", "none"] = "auto"

    @property
    def needs_keys(self) -> bool:
        """Whether every caller needs a key, those on this machine as well."""
        return self.auth == "keys" or (self.auth == "auto" and not is_loopback(self.host))


def is_loopback(host: str | None) -> bool:
    """Whether a name or an address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
