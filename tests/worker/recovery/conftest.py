"""Fixtures for recoveries of small models."""

from functools import cache
from pathlib import Path

import pytest

from tests.worker.recovery.recoveries import (
    BATCH_TOKENS,
    Finished,
    Models,
    Recovered,
    finish,
    open_recovery,
    prune,
    recovery_of,
    write_trained_model,
)
from worker.recovery.results import RecoveryProgress
from worker.recovery.settings import Kind


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


@pytest.fixture(scope="session")
def finished(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Recovered:
    """Recover that model once by each kind, for all tests that only read what comes out."""

    @cache
    def of_kind(kind: Kind) -> Finished:
        out, seen = tmp_path_factory.mktemp(kind), list[RecoveryProgress]()
        result = finish(open_recovery(models, out, recovery_of(kind)), seen.append)
        return Finished(out, result, seen)

    return of_kind
