"""Fixtures for recoveries of small models."""

from pathlib import Path

import pytest

from tests.worker.recovery.recoveries import BATCH_TOKENS, Models, prune, write_trained_model


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make steps of four windows."""
    monkeypatch.setattr("worker.recovery.settings._FEWEST_BATCH_TOKENS", BATCH_TOKENS)


@pytest.fixture(scope="session")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has learned something."""
    return write_trained_model(tmp_path_factory.mktemp("recovery") / "dense")


@pytest.fixture(scope="session")
def models(dense: Path) -> Models:
    """That model, and the same model with a fifth of its weights."""
    return prune(dense, dense.parent / "pruned")
