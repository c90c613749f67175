"""Settings of the HTTP server: address, allowed hosts, authentication."""

import ipaddress
import re
from functools import lru_cache
from typing import Literal

from pydantic import Field, field_validator

from db.startup.settings import Names, Settings

ANY_HOST = "*"
_HOST = re.compile(r"\*|[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*", re.ASCII)


class ServerSettings(Settings):
    """The shared settings, and those of the HTTP server."""

    host: str = "127.0.0.1"
    """The address that the API listens on."""

    port: int = Field(default=8000, ge=1, le=65_535)
    """The port that the API listens on."""

    allowed_hosts: Names = ()
    """Host names that the API accepts besides loopback names, `ZPRUNER_HOST`, and the address that
    a request arrives at; `*` allows every name (docs/access.md#names-of-the-service)."""

    auth: Literal["auto", "keys", "none"] = "auto"
    """`auto` requires a key unless the service listens on loopback; `keys` always requires one, as
    is necessary behind any proxy; `none` requires none, for a network or a proxy that controls
    access itself (docs/access.md)."""

    api_workers: int = Field(default=1, ge=1, le=64)
    """How many processes serve the API (docs/deployment.md#several-processes-for-the-api)."""

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        """Split a list of host names at commas; reject a name with a scheme, port or path."""
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return names
        hosts = tuple(name for part in names if (name := str(part).strip().lower()))
        for host in hosts:
            if _HOST.fullmatch(host) is None:
                raise ValueError(
                    f"{host!r} is not a host name: write it without scheme, port and path, as in "
                    "prune.example,10.0.0.5"
                )
        return hosts

    @property
    def needs_keys(self) -> bool:
        """Whether every client needs a key, local ones included."""
        return self.auth == "keys" or (self.auth == "auto" and not is_loopback(self.host))


@lru_cache(maxsize=1024)
def is_loopback(host: str | None) -> bool:
    """Whether a name or address belongs to the loopback interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
