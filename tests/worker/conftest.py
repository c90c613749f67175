"""Fixtures for the glue: a store and a way to run one job."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.file_store import FileStore
from worker.attempts.run import Prune, Runner
from worker.settings import WorkerSettings

RunnerFactory = Callable[..., Runner]


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Give a test the same random numbers, whatever ran before it."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def speed_measured_once() -> Iterator[None]:
    """Measure the speed of this machine once, not for each new data folder."""
    module = import_module("worker.pruning.planning.measured_speed")
    measure, known = module.benchmark, dict[tuple[object, ...], object]()

    def once(folder: Path, *kind: object) -> object:
        if kind not in known:
            known[kind] = measure(folder, *kind)
        return known[kind]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "benchmark", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def tokenizers_tried_once() -> Iterator[None]:
    """Try equal tokenizers in a process with limits once, not for each job.

    Otherwise that process takes nearly as much time as all the rest of a small job.
    """
    module = import_module("worker.sources.tokenizer")
    attempt, known = module._try, set[tuple[int, bytes]]()

    def once(fast: Path, name: str) -> None:
        tried = (module.SMALL_BYTES, fast.read_bytes())
        if tried not in known:
            attempt(fast, name)
            known.add(tried)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_try", once)
        yield


@pytest.fixture(scope="module")
def forked_ranks() -> Iterator[None]:
    """Fork the processes of ranks, which would take five seconds each to import the engine."""
    start = import_module("tests.worker.processes").ForkedRank
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.pruning.distributed.launcher._start_process", start)
        yield


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FileStore(tmp_path / "artifacts")


@pytest.fixture
def runner(sessions: Sessions, store: ArtifactStore) -> RunnerFactory:
    """Return a function that makes a runner of some work; settings by keyword."""

    def make(
        prune: Prune,
        *,
        exit_process: Callable[[], None] = lambda: None,
        queues: Sequence[str] = (),
        stopping: threading.Event | None = None,
        **fields: object,
    ) -> Runner:
        usual = {"worker_nice": 0}  # tests run beside each other
        settings = WorkerSettings.model_validate(usual | fields)
        return Runner(
            sessions,
            store,
            prune,
            settings,
            worker="test/1",
            queues=queues,
            stopping=stopping,
            exit_process=exit_process,
        )

    return make
