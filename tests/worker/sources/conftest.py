"""Fixtures for sources: a hub on loopback, a tokenizer that knows bytes, and jobs with a store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets.config
import pytest
from huggingface_hub import close_session, constants

from db.core.session import Sessions
from db.files.stores import open_store
from tests.hub import Hub
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.sources.builders import byte_tokenizer
from tests.worker.sources.served import Service
from worker.settings import WorkerSettings
from worker.sources.encoding import Tokenizer


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub that this process's clients talk to, with a cache of one's own."""
    with Hub() as hub:
        url = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        close_session()
        yield hub
        close_session()


@pytest.fixture
def datasets_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    """The hub, known to the datasets library too."""
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.chdir(tmp_path)
    return hub


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """A fast tokenizer whose ids are the text's bytes, with a BOS it would add if allowed."""
    return byte_tokenizer()


@pytest.fixture(params=["folder", "bucket"])
def service(request: pytest.FixtureRequest, sessions: Sessions, tmp_path: Path) -> Service:
    """Jobs whose results lie in a folder, or in a bucket."""
    write_model_and_tokenizer(tmp_path / "model")
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 200)
    fields: dict[str, Any] = {"device": "cpu", "data_dir": tmp_path / "data"}
    if request.param == "bucket":
        fields["artifact_url"] = request.getfixturevalue("bucket_url")
    roots = dict.fromkeys(("model_roots", "dataset_roots"), (tmp_path,))
    settings = WorkerSettings.model_validate(fields | roots)
    return Service(sessions, open_store(settings), settings)
