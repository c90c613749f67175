"""Fixtures for sources: a hub on loopback, and a tokenizer that knows bytes."""

from collections.abc import Iterator
from pathlib import Path

import datasets.config
import pytest
from huggingface_hub import close_session, constants

from tests.hub import Hub
from tests.worker.sources.builders import byte_tokenizer
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
