"""Recoveries that are killed, and the runs that resume them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.worker.processes import run_until_killed
from tests.worker.recovery.recoveries import (
    Models,
    digests,
    finish,
    open_recovery,
    recover_until,
    recovery_of,
)
from worker.pruning.base.names import PROGRESS_FOLDER
from worker.recovery.results import RecoveryProgress, RecoveryResult
from worker.recovery.settings import Kind

Place = tuple[str, int] | tuple[str]
KILLS = (("teacher", 2), ("training", 5), ("training", 11))
DAMAGED = ("training", 6)
STEPS = 12


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let three chunks of windows run through the dense model."""
    monkeypatch.setattr("worker.recovery.teacher.CHUNK_TOKENS", {"cpu": 256})


@dataclass(frozen=True)
class Undisturbed:
    """A run that was not killed: its folder, its result, and its digests."""

    folder: Path
    result: RecoveryResult
    digests: dict[str, str]

    def left(self, place: Place, target: Path) -> Path:
        """Copy to ``target`` what a process would leave that is killed at this place."""
        return shutil.copytree(self.folder / "-".join(map(str, place)), target)


@pytest.fixture(scope="module")
def undisturbed(
    models: Models, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Kind], Undisturbed]:
    """Run each kind once, and keep copies of what it has written so far at some places."""

    @cache
    def of_kind(kind: Kind) -> Undisturbed:
        folder = tmp_path_factory.mktemp(kind)
        out = folder / "end"

        def copy(progress: RecoveryProgress) -> None:
            if (progress.stage, progress.step) in (*KILLS, DAMAGED):
                shutil.copytree(out, folder / f"{progress.stage}-{progress.step}")

        result = finish(open_recovery(models, out, recovery_of(kind, STEPS)), copy)
        return Undisturbed(folder, result, digests(out))

    return of_kind


@pytest.mark.parametrize(
    ("kind", "kills"), [("masked", KILLS), ("spp", KILLS[1:2]), ("ast", KILLS[1:2])]
)
def test_a_run_killed_anywhere_resumes_with_the_same_bytes_and_result(
    models: Models,
    undisturbed: Callable[[Kind], Undisturbed],
    tmp_path: Path,
    kind: Kind,
    kills: tuple[tuple[str, int], ...],
) -> None:
    whole = undisturbed(kind)
    for stage, step in kills:
        left = whole.left((stage, step), tmp_path / stage / str(step))
        again = open_recovery(models, left, recovery_of(kind, STEPS))
        saved = step if stage == "training" and step else None
        assert again.resumed_from_step == saved
        assert finish(again) == whole.result
        assert digests(left) == whole.digests


def test_a_process_killed_with_signal_9_loses_no_recorded_step(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the other process has chunks of the usual size
    monkeypatch.setattr("worker.recovery.settings._FEWEST_BATCH_TOKENS", 64)
    out, killed = tmp_path / "out", tmp_path / "killed"
    undisturbed = finish(open_recovery(models, out, recovery_of("masked", STEPS)))
    run_until_killed(recover_until, models, killed, recovery_of("masked", STEPS), 7)

    again = open_recovery(models, killed, recovery_of("masked", STEPS))

    assert again.resumed_from_step == 7
    assert finish(again) == undisturbed
    assert digests(killed) == digests(out)


def test_a_finished_run_trains_no_step_again(
    models: Models, undisturbed: Callable[[Kind], Undisturbed], tmp_path: Path
) -> None:
    whole, seen = undisturbed("masked"), list[RecoveryProgress]()
    again = open_recovery(
        models, whole.left(("end",), tmp_path / "out"), recovery_of("masked", STEPS)
    )
    assert finish(again, seen.append) == whole.result
    assert seen == []


def test_only_the_last_and_the_best_state_are_kept(models: Models, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kept: list[set[str]] = []

    def look(progress: RecoveryProgress) -> None:
        folder = out / PROGRESS_FOLDER
        kept.append({path.name for path in folder.iterdir() if "-0000" in path.name})

    finish(open_recovery(models, out, recovery_of("masked", 4)), look)
    assert max(len({one for one in names if "moments" in one}) for names in kept) == 1
    assert max(len({one for one in names if "weights" in one}) for names in kept) <= 2


@pytest.mark.parametrize("file", ["moments-000006.safetensors", "teacher-00001.safetensors"])
def test_a_damaged_file_is_computed_again(
    models: Models,
    undisturbed: Callable[[Kind], Undisturbed],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    file: str,
) -> None:
    whole = undisturbed("masked")
    left = whole.left(DAMAGED, tmp_path / "left")
    path = left / PROGRESS_FOLDER / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    again = open_recovery(models, left, recovery_of("masked", STEPS))

    assert f"{file} damaged; computing it again" in caplog.text
    assert finish(again) == whole.result
    assert digests(left) == whole.digests


def test_other_settings_start_over_and_log_the_change(
    models: Models, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    finish(open_recovery(models, out, recovery_of("masked", 2)))
    again = open_recovery(models, out, recovery_of("spp", 2))
    assert again.resumed_from_step is None
    assert "starting over: recovery changed" in caplog.text
    fresh = finish(open_recovery(models, tmp_path / "fresh", recovery_of("spp", 2)))
    assert finish(again) == fresh
    assert digests(out) == digests(tmp_path / "fresh")


def test_a_pruned_model_that_was_written_again_does_not_start_over(
    models: Models, tmp_path: Path
) -> None:
    """A sweep that is resumed writes the tensors outside the blocks again."""
    changing = Models(
        models.dense, shutil.copytree(models.pruned, tmp_path / "pruned"), models.pattern, None
    )
    out = tmp_path / "out"
    progress = open_recovery(changing, out, recovery_of("masked", STEPS)).run()
    while next(progress).step < 3 or not list((out / PROGRESS_FOLDER).glob("moments-*")):
        pass
    progress.close()
    for path in changing.pruned.glob("model-*"):
        path.write_bytes(path.read_bytes())
    assert open_recovery(changing, out, recovery_of("masked", STEPS)).resumed_from_step is not None
