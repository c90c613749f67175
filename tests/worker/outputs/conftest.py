"""Fixtures for outputs: a job with files, real servers, and a dispatcher that sends to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from huggingface_hub import close_session, constants, set_client_factory
from huggingface_hub.utils._http import default_client_factory

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.startup.settings import Settings
from tests.hub_uploads import WritableHub
from tests.proxy import Proxy, proxying
from tests.waiting import DEADLINE_S
from tests.worker.outputs.sending import Sending
from worker.outputs.hub import limit_responses

KEY = Fernet.generate_key().decode()


@pytest.fixture
def sending(sessions: Sessions, store: ArtifactStore, database_url: str, tmp_path: Path) -> Sending:
    """Jobs, their outputs and secrets in a database of their own."""
    fields = {
        "data_dir": tmp_path,
        "database_url": database_url,
        "secrets_key": KEY,
    }
    settings = Settings.model_validate(fields)
    return Sending(sessions, store, settings)


@pytest.fixture
def hub() -> Iterator[WritableHub]:
    with WritableHub() as hub:
        yield hub


@pytest.fixture
def hub_proxy(hub: WritableHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way of this process's clients to the hub."""
    with proxying(hub.url) as proxy:
        monkeypatch.setattr(constants, "ENDPOINT", proxy.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        limit_responses(DEADLINE_S)
        close_session()
        yield proxy
        set_client_factory(default_client_factory)
        close_session()
