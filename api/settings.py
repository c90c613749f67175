"""Settings of the HTTP side."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from db.settings import Settings


class ApiSettings(Settings):
    """Adds to the shared settings.

    Attributes:
        auth: ``auto`` answers on loopback addresses only, to whoever can reach them; ``none``
            answers everyone everywhere, for a network or a proxy that lets in only who may.
        hf_endpoint: the model hub that names in a request are looked up on.
        hub_timeout_s: how long a request waits for that hub before it is accepted unchecked.
        max_body_bytes: the largest request body.
    """

    model_config = SettingsConfigDict(populate_by_name=True)

    host: str = "127.0.0.1"
    port: int = 8000
    auth: Literal["auto", "none"] = "auto"
    # The name that huggingface_hub and the worker read, without our prefix.
    hf_endpoint: str = Field(default="https://huggingface.co", validation_alias="HF_ENDPOINT")
    hub_timeout_s: float = 5
    max_body_bytes: int = 1 << 20
