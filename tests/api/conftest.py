"""Fixtures for the routes: the real application on a database of its own, with a list as queue."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.files.file_store import FileStore
from tests.fakes import ListQueue

# Nothing listens there, so every look-up on the hub fails at once.
NO_HUB = "http://127.0.0.1:9"
ENCRYPTION_KEY = Fernet.generate_key().decode()


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A folder that jobs may read models and texts from."""
    root = tmp_path / "roots"
    root.mkdir()
    return root


@pytest.fixture
def hub_endpoint() -> str:
    return NO_HUB


@pytest.fixture
def settings(tmp_path: Path, database_url: str, roots: Path, hub_endpoint: str) -> ApiSettings:
    return ApiSettings.model_validate(
        {
            "_env_file": None,
            "data_dir": tmp_path / "data",
            "database_url": database_url,
            "model_roots": (roots,),
            "dataset_roots": (roots,),
            "hf_endpoint": hub_endpoint,
            "hub_timeout_s": 60,  # the hubs and buckets of these tests may be slow
            "secrets_key": ENCRYPTION_KEY,
        }
    )


@pytest.fixture
def queue() -> ListQueue:
    return ListQueue()


@pytest.fixture
def app(settings: ApiSettings, queue: ListQueue) -> FastAPI:
    return create_app(settings, queue)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def store(settings: ApiSettings) -> FileStore:
    return FileStore(settings.artifact_dir)


@pytest.fixture
def guarded(settings: ApiSettings, queue: ListQueue) -> Iterator[TestClient]:
    """A client of a service that asks everybody for a key."""
    app = create_app(settings.model_copy(update={"auth": "keys"}), queue)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client
