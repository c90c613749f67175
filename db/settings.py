"""Settings that both sides read: ``ZPRUNER_*`` variables, then ``.env``."""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from db.journal import Format
from db.wire import GPU_QUEUE

Roots = Annotated[tuple[Path, ...], NoDecode]
Names = Annotated[tuple[str, ...], NoDecode]
NetworkList = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]


class Settings(BaseSettings):
    """With nothing set: SQLite, an embedded broker and files, all under one data folder."""

    model_config = SettingsConfigDict(env_prefix="ZPRUNER_", env_file=".env", extra="ignore")

    data_dir: Path = Path("~/.local/share/zpruner")
    database_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    model_roots: Roots = ()
    dataset_roots: Roots = ()
    queues: Names = (GPU_QUEUE,)
    webhook_networks: NetworkList = ()
    log_format: Format = "text"
    tracing: bool = False

    @field_validator("data_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("model_roots", "dataset_roots", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Folders separated by the path separator, as in PATH."""
        if isinstance(value, str):
            return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part)
        return value

    @field_validator("queues", "webhook_networks", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        """Names separated by commas."""
        if isinstance(value, str):
            return tuple(name for part in value.split(",") if (name := part.strip()))
        return value

    @property
    def database(self) -> str:
        """The database's URL; SQLite in the data folder by default."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'zpruner.db'}"

    @property
    def broker(self) -> str:
        """The broker's URL; the embedded server's socket by default."""
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        return f"redis+socket://{self.data_dir / 'broker' / 'broker.sock'}"

    @property
    def artifact_dir(self) -> Path:
        """Where finished artifacts live."""
        return self.data_dir / "artifacts"

    @property
    def upload_dir(self) -> Path:
        """Where uploaded datasets live."""
        return self.data_dir / "uploads"
