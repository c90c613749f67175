"""Settings that all parts share, read from environment variables that start with ``ZPRUNER_``."""

import json
import os
import re
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from db.buckets.location import BucketLocation, parse_bucket, parse_location
from db.buckets.readable_buckets import ReadableBuckets
from db.core.broker_names import GPU_QUEUE, QUEUE_NAME
from db.core.logging_setup import Format
from db.core.retention_rules import RetentionRule, RetentionRules
from db.startup.connection_settings import MAX_S, ConnectionSettings, FullPath

OUTPUT_URL = r"(https?|s3)://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9][A-Za-z0-9._=+@-]*)*/?"
Grace = Annotated[float, Field(ge=0, le=MAX_S)]


def _split_folders(value: object) -> object:
    """Split a list of folders at the path separator, as in ``PATH``."""
    if isinstance(value, str):
        return tuple(Path(part).expanduser() for part in value.split(os.pathsep) if part)
    return value


Roots = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_folders)]
Names = Annotated[tuple[str, ...], NoDecode]


def parse_json(adapter: TypeAdapter[Any], empty: object, value: object) -> object:
    """Parse a value that is written as JSON; an empty text means ``empty``.

    Raises:
        PydanticCustomError: it is not valid; the message names the first wrong place and value.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return empty
    try:
        return adapter.validate_json(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"[{json.dumps(part)}]" for part in first["loc"])
        why = {"place": place and f"{place} is {json.dumps(first['input'])}: ", "why": first["msg"]}
        raise PydanticCustomError("json", "{place}{why}", why) from None


def check_queues(names: Iterable[str]) -> None:
    """Check that jobs can name these queues.

    Raises:
        PydanticCustomError: a name is not one of a queue.
    """
    for name in names:
        if re.fullmatch(QUEUE_NAME, name) is None:
            raise PydanticCustomError(
                "queue",
                "{name} cannot be a queue: its name has at most 64 lower-case letters, digits, "
                "dots, underscores and hyphens, and begins with a letter or a digit",
                {"name": json.dumps(name)},
            )


RULES = TypeAdapter[tuple[RetentionRule, ...]](RetentionRules)
Rules = Annotated[RetentionRules, NoDecode, BeforeValidator(partial(parse_json, RULES, ()))]
NetworkList = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]


class Settings(ConnectionSettings):
    """The shared settings. By default the database, broker and files are in one data folder."""

    artifact_url: str | None = None
    """Where finished files and uploaded datasets are stored: `file:///folder`, or
    `s3://bucket/prefix` for workers on several hosts; by default the data folder. Set it for every
    process of the service (docs/deployment.md#two-hosts-and-a-bucket)."""

    secrets_key: SecretStr | None = None
    """The key that encrypts the secrets of callers, or several, separated by commas: the first one
    encrypts, all of them decrypt. Every process of the service needs the same
    (docs/access.md#the-key-of-the-secrets)."""

    secrets_key_file: FullPath | None = None
    """A file with this key, instead of `ZPRUNER_SECRETS_KEY`; by default `secrets.key` in the data
    folder, which `zpruner serve` creates."""

    model_roots: Roots = ()
    """Folders that contain the local models that jobs may name."""

    dataset_roots: Roots = ()
    """Folders that contain the local datasets that jobs may name."""

    queues: Names = (GPU_QUEUE,)
    """The queues that jobs may name; under `zpruner serve` also the queues of its worker."""

    webhook_networks: NetworkList = ()
    """Private networks, as in `10.0.0.0/8,127.0.0.0/8`, that webhooks may be sent to, also without
    https; set it for every process of the service (docs/webhooks.md)."""

    output_urls: Names = ()
    """URLs below which jobs may send their results, besides the hub: MLflow servers, as in
    `https://mlflow.example`, buckets of AWS, as in `s3://bucket/prefix`, and buckets of other
    services, as in `https://minio.example/bucket`; set it for every process of the service
    (docs/outputs.md#allowed-targets)."""

    input_urls: Names = ()
    """Buckets that jobs may read models and datasets from, as in `s3://models/llama,s3://texts`,
    with the `AWS_…` variables of the service or with an access key of the caller; set it for every
    process of the service (docs/deployment.md#inputs-in-buckets)."""

    retention: Rules = ()
    """Rules by which `control` deletes files of finished jobs, as a JSON list; set it for every
    process of the service. An example: `[{"name": "old", "max_age_days": 90}]`
    (docs/operations.md#retention)."""

    log_format: Format = "text"
    """`json` writes one object a line."""

    tracing: bool = False
    """Whether traces are sent, as the `OTEL_…` variables configure (docs/operations.md#traces)."""

    @field_validator("database_url")
    @classmethod
    def _is_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            url = make_url(value.get_secret_value())
        except (ArgumentError, ValueError) as error:
            raise PydanticCustomError(
                "url", "It is not a URL: {why}", {"why": str(error)}
            ) from None
        if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
            raise PydanticCustomError("url", "Processes share it, so SQLite needs a file")
        return value

    @field_validator("artifact_url")
    @classmethod
    def _is_location(cls, value: str | None) -> str | None:
        if value is not None:
            parse_location(value)
        return value

    @field_validator("queues", "webhook_networks", "output_urls", "input_urls", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        """Split a list of names or networks at commas."""
        if isinstance(value, str):
            return tuple(name for part in value.split(",") if (name := part.strip()))
        return value

    @field_validator("queues")
    @classmethod
    def _are_queues(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        check_queues(names)
        return names

    @field_validator("output_urls")
    @classmethod
    def _are_targets(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if re.fullmatch(OUTPUT_URL, url) is None:
                raise PydanticCustomError(
                    "output_url",
                    "{url} is neither https://host/path nor s3://bucket/prefix",
                    {"url": url},
                )
        return urls

    @field_validator("input_urls")
    @classmethod
    def _are_buckets(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            try:
                parse_bucket(url)
            except ValueError as error:
                raise PydanticCustomError(
                    "input_url", "{url}: {why}", {"url": url, "why": str(error)}
                ) from None
        return urls

    @property
    def encryption_key_file(self) -> Path:
        """The file with the encryption key of callers' secrets, unless a setting has the key."""
        return self.secrets_key_file or self.data_dir / "secrets.key"

    @property
    def artifact_location(self) -> Path | BucketLocation:
        """The folder or bucket of finished files and uploaded datasets."""
        return self.data_dir if self.artifact_url is None else parse_location(self.artifact_url)

    @property
    def readable_buckets(self) -> ReadableBuckets:
        """The buckets that jobs may read; copies of what they read are in the data folder."""
        return ReadableBuckets(self.input_urls, self.data_dir / "inputs")

    @property
    def artifact_dir(self) -> Path:
        """The folder of artifacts and of the files that attempts are writing.

        If artifacts are in a bucket, only the latter are in it.
        """
        return self._shared_dir / "artifacts"

    @property
    def upload_dir(self) -> Path:
        """The folder of uploaded datasets, or of this machine's copies of those in a bucket."""
        return self._shared_dir / "uploads"

    @property
    def _shared_dir(self) -> Path:
        location = self.artifact_location
        return location if isinstance(location, Path) else self.data_dir
