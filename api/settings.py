"""Settings of the API."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from db.spec.datafiles import MAX_TEXT_BYTES
from db.startup.server_settings import ServerSettings
from db.startup.settings import Seconds


def _split(value: object) -> object:
    return [one for one in value.split(",") if one] if isinstance(value, str) else value


Descriptors = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)]


class ApiSettings(ServerSettings):
    """The settings of the API, in addition to the shared ones.

    Attributes:
        hf_endpoint: the model hub on which names in requests are looked up.
        hub_timeout_s: how long a request waits for the hub before it is accepted unchecked.
        check_timeout_s: how long a submission waits for the planner, where only the planner can
            check it.
        max_body_bytes: the largest request body.
        max_dataset_bytes: the largest dataset that can be uploaded; jobs read no larger text.
        rate_limit_per_minute: requests a minute of a key, or of an address without a key; 0 is no
            limit. Each process of the API counts separately.
        rate_limit_burst: requests at once.
    """

    model_config = SettingsConfigDict(populate_by_name=True)

    # The variable that huggingface_hub and the worker read has no ZPRUNER_ prefix.
    hf_endpoint: str = Field(default="https://huggingface.co", validation_alias="HF_ENDPOINT")
    hub_timeout_s: Seconds = 5
    check_timeout_s: Seconds = 20
    max_body_bytes: int = Field(default=1 << 20, gt=0)
    max_dataset_bytes: int = Field(default=MAX_TEXT_BYTES, gt=0, le=MAX_TEXT_BYTES)
    rate_limit_per_minute: int = Field(default=6000, ge=0)
    rate_limit_burst: int = Field(default=1000, gt=0)
    # Internal: `zpruner serve` distinguishes its API from that of another service by it.
    instance: str | None = None
    # Internal: the descriptors of the sockets that `zpruner serve` listens on.
    listening: Descriptors = ()
