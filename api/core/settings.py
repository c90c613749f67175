"""Settings of the API."""

from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_settings import NoDecode, SettingsConfigDict

from db.spec.datasets.files import MAX_TEXT_BYTES
from db.spec.prices import Prices
from db.startup.connection_settings import Seconds
from db.startup.server_settings import ServerSettings
from db.startup.settings import check_queues, parse_json


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


QueuePrice = Annotated[float, Field(ge=0, allow_inf_nan=False)]
HOURLY = TypeAdapter[dict[str, float]](dict[str, QueuePrice])
HourlyPrices = Annotated[
    dict[str, QueuePrice], NoDecode, BeforeValidator(partial(parse_json, HOURLY, {}))
]
Descriptors = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)]


class ApiSettings(ServerSettings):
    """The settings of ``ServerSettings``, and those that only the API has."""

    model_config = SettingsConfigDict(populate_by_name=True)

    # The variable that huggingface_hub and the worker read has no ZPRUNER_ prefix.
    hf_endpoint: str = Field(default="https://huggingface.co", validation_alias="HF_ENDPOINT")
    """The address of the model hub on which the names in requests are looked up."""

    hub_timeout_s: Seconds = 5
    """How long to wait for the model hub when the names in a request are checked. After that, the
    request is accepted without this check."""

    check_timeout_s: Seconds = 20
    """How long a submission waits for the planner to check its model
    (docs/jobs.md#refused-requests)."""

    max_body_bytes: int = Field(default=1 << 20, gt=0)
    """The maximum size of a request body, except of an uploaded dataset. JSON may have at most 5000
    fields."""

    max_dataset_bytes: int = Field(default=MAX_TEXT_BYTES, gt=0, le=MAX_TEXT_BYTES)
    """The largest dataset that can be uploaded; cannot exceed the default (docs/datasets.md)."""

    max_trials: int = Field(default=4, ge=0)
    """How many prompts one key may have in the queue at a time, for models of finished jobs
    (docs/jobs.md#try-a-prompt); 0 refuses all."""

    rate_limit_per_minute: int = Field(default=6000, ge=0)
    """The limit on requests per minute with one key, or from one address without a key; 0 means no
    limit. All `ZPRUNER_API_WORKERS` processes count requests together
    (docs/explanations/rate-limits.md)."""

    rate_limit_burst: int = Field(default=1000, gt=0)
    """How many requests one key or address may send at once, after a time without requests."""

    prices: HourlyPrices = Field(default={})
    """The price of an hour of a worker, by queue, as JSON: `{"default": 2.5, "h100": 4}`; `default`
    is that of all other queues. Without it, nothing is said about costs
    (docs/operations.md#prices-and-budgets)."""

    currency: str = Field(default="USD", min_length=1, max_length=16)
    """The currency of the prices, for display: amounts are not converted."""

    # Not for users, so not in the schema: `zpruner serve` distinguishes its API from that of
    # another service by the first; the second are the descriptors of the sockets it listens on. The
    # last are the number of this process and the folder that all share, if there are several.
    instance: SkipJsonSchema[str | None] = None
    listening: SkipJsonSchema[Descriptors] = ()
    api_process: SkipJsonSchema[int | None] = None
    api_shared_dir: SkipJsonSchema[Path | None] = None

    @field_validator("prices")
    @classmethod
    def _are_of_queues(cls, prices: dict[str, float]) -> dict[str, float]:
        check_queues(prices)
        return prices

    @property
    def queue_prices(self) -> Prices:
        return Prices(self.prices, self.currency)

    @property
    def buckets_file(self) -> Path | None:
        """The file in which several API processes count requests together; None for one process."""
        return None if self.api_shared_dir is None else self.api_shared_dir / "rate-limits"
