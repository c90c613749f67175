"""The settings that a check of a process needs: where database and broker are, and what is late.

Without the other settings, and without SQLAlchemy, they are read in a third of the time.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

MAX_S = 10 * 365 * 86_400
"""Ten years, so that adding it to a date cannot overflow."""
Seconds = Annotated[float, Field(gt=0, le=MAX_S)]


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:  # an unknown user, as in ~nobody
        raise ValueError(str(error)) from None


FullPath = Annotated[Path, AfterValidator(_expanded)]
LEAST_HEARTBEAT_TIMEOUT = timedelta(seconds=15)


class ConnectionSettings(BaseSettings):
    """The data folder, and what a process connects to; by default it is in that folder."""

    # docs/settings.md is generated from the fields and the text below each: `make generated`.
    model_config = SettingsConfigDict(
        env_prefix="ZPRUNER_", extra="ignore", use_attribute_docstrings=True
    )

    data_dir: FullPath = Path("~/.local/share/zpruner")
    """Database, broker, staging, artifacts, uploaded datasets, measured losses of dense models and
    the speed of the machine; private to its user (mode 0700, set at each start)."""

    env_file: Path | None = None
    """A file with settings, and with `AWS_…`, `HF_…` and `OTEL_…` variables; by default `.env` in
    the data folder, if there is one. Variables of the environment take precedence."""

    database_url: SecretStr | None = None
    """By default SQLite in the data folder; a service on several hosts needs
    `postgresql+psycopg://…`."""

    broker_url: SecretStr | None = None
    """`redis://…` or `rediss://…`; by default the embedded broker."""

    beat_every_s: Seconds = 15
    """Interval of the heartbeats of processes. A process without one for three intervals, and for
    at least 15 seconds, is restarted by `zpruner serve`; if it is `control`, `/readyz` fails."""

    @field_validator("broker_url")
    @classmethod
    def _is_broker(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        _require_scheme(value, "redis://", "rediss://", "redis+socket://")
        try:
            _ = urlsplit(value.get_secret_value()).port
        except ValueError as error:
            raise PydanticCustomError(
                "url", "It is not a URL: {why}", {"why": str(error)}
            ) from None
        return value

    @field_validator("database_url")
    @classmethod
    def _has_driver(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _require_scheme(value, "postgresql+psycopg://", "sqlite:///")
        return value

    @property
    def heartbeat_timeout(self) -> timedelta:
        """The time without a heartbeat after which a process counts as frozen.

        It is three heartbeat intervals, but at least 15 seconds.
        """
        return max(LEAST_HEARTBEAT_TIMEOUT, timedelta(seconds=3 * self.beat_every_s))

    @property
    def database(self) -> str:
        """The database's URL; SQLite in the data folder by default."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'zpruner.db'}"

    @property
    def broker(self) -> str:
        """The broker's URL; by default the socket of the embedded broker."""
        if self.broker_url is not None:
            return self.broker_url.get_secret_value()
        return f"redis+socket://{self.data_dir / 'broker' / 'broker.sock'}"


def _require_scheme(value: SecretStr, *known: str) -> None:
    if not value.get_secret_value().startswith(known):
        raise PydanticCustomError(
            "scheme", "It should begin with {known}", {"known": " or ".join(known)}
        )
