"""Settings of where the API listens, which hosts it answers to, and who needs a key."""

import ipaddress
import re
from typing import Literal

from pydantic import Field, field_validator

from db.startup.settings import Names, Settings

ANY_HOST = "*"
_HOST = re.compile(r"\*|[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)


class ServerSettings(Settings):
    """Adds where to listen, and who may come in, to the shared settings.

    Attributes:
        auth: ``auto`` asks for no key on loopback and for one everywhere else; ``keys`` asks for
            one everywhere; ``none`` asks nobody, for a network or a proxy that lets in only who
            may.
        allowed_hosts: names that requests may be sent to besides those of loopback, ``host`` and
            the address a request arrives at; ``*`` allows every name.
    """

    host: str = "127.0.0.1"
    allowed_hosts: Names = ()
    port: int = Field(default=8000, ge=1, le=65_535)
    auth: Literal["auto", "keys", "none"] = "auto"

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        """Read names separated by commas, each a host without scheme, port or path."""
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return names
        hosts = tuple(name for part in names if (name := str(part).strip().lower()))
        for host in hosts:
            if _HOST.fullmatch(host) is None:
                raise ValueError(
                    f"{host!r} is no host name: write it without scheme, port and path, as in "
                    "prune.example,10.0.0.5"
                )
        return hosts

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
