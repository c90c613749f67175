"""Files that become many times as large in memory are checked in bounded processes."""

import os
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa  # type: ignore[import-untyped] # it has none
import pyarrow.parquet as pq  # type: ignore[import-untyped] # it has none
import pytest

from db.core.errors import SpecRefusedError
from db.core.operator_keys import NAMES
from db.files import file_check
from db.files.bounded_process import BoundsExceededError, run_bounded
from db.spec.datasets.files import DataFile
from tests.processes import has_ended
from tests.waiting import eventually

MIB = 1 << 20
LISTS = b'{"text": "a", "more": [' + b"[]," * (4 * MIB) + b"[]]}\n"


def data_file(path: Path, content: bytes) -> DataFile:
    path.write_bytes(content)
    return DataFile(path, "dataset", "local:it")


def peak_of(file: DataFile, check: str) -> int:
    """Return the memory that a check takes in this process, whether it fails or not."""
    with suppress(SpecRefusedError):
        file_check.check_file(file, check)  # what it imports is not counted
    tracemalloc.start()
    try:
        file_check.check_file(file, check)
    except SpecRefusedError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize("check", ["upload", "peek"])
def test_json_that_expands_in_memory_is_parsed_in_another_process(
    tmp_path: Path, check: str
) -> None:
    file = data_file(tmp_path / "it.jsonl", LISTS)
    assert peak_of(file, check) < 2 * MIB


def test_a_file_that_exceeds_the_memory_limit_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = data_file(tmp_path / "it.jsonl", LISTS)
    asked = {"path": str(file.path), "check": "upload", "field": "dataset", "name": "it"}
    with pytest.raises(BoundsExceededError, match="100 MiB"):
        run_bounded("db.files.file_check", asked | {"text_field": ""}, memory_bytes=100 * MIB)
    monkeypatch.setattr(file_check, "JSON_MEMORY_BYTES", 100 * MIB)
    with pytest.raises(SpecRefusedError) as refused:
        file_check.check_file(file, "upload")
    assert "cannot be checked" in refused.value.reason
    assert "Split it" in refused.value.remedy


def test_work_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    asked = {"here": str(tmp_path / "pid"), "computes": True}
    with pytest.raises(BoundsExceededError, match="1 seconds"):
        run_bounded("tests.db.sleeping", asked, memory_bytes=512 * MIB, cpu_s=1)
    with pytest.raises(BoundsExceededError, match=r"0\.5 seconds"):
        run_bounded("tests.db.sleeping", asked, memory_bytes=512 * MIB, timeout_s=0.5)


def test_a_bounded_process_has_limits_even_if_its_parent_ignores_their_signals(
    tmp_path: Path,
) -> None:
    code = (
        "import signal; from db.files.bounded_process import CLOCKS, run_bounded\n"
        "for number in CLOCKS: signal.signal(number, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, CLOCKS)\n"
        f"asked = {{'here': {str(tmp_path / 'pid')!r}}}\n"
        "try: run_bounded('tests.db.sleeping', asked, memory_bytes=1 << 30, timeout_s=0.1)\n"
        "except Exception as error: print(error)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    assert done.stdout == b"it took more than 0.1 seconds\n"


def test_a_bounded_process_has_none_of_the_operators_keys_and_ends_with_its_parent(
    tmp_path: Path,
) -> None:
    asked = {"here": str(tmp_path / "pid")}
    call = f"run_bounded('tests.db.sleeping', {asked!r}, memory_bytes=1 << 30)"
    program, root = (
        f"from db.files.bounded_process import run_bounded; {call}",
        Path(__file__).parents[3],
    )
    environment = os.environ | {"PYTHONPATH": str(root)} | dict.fromkeys(NAMES, "canary")
    waiting = subprocess.Popen([sys.executable, "-c", program], env=environment)
    try:
        eventually((tmp_path / "pid").exists)
        pid = int((tmp_path / "pid").read_text())
        assert psutil.Process(waiting.pid).environ().keys() >= NAMES
        assert not psutil.Process(pid).environ().keys() & NAMES
    finally:
        waiting.kill()
        waiting.wait()
    eventually(lambda: has_ended(pid))


def test_a_bounded_process_keeps_the_lower_limits_of_the_process_that_starts_it(
    tmp_path: Path,
) -> None:
    file = data_file(tmp_path / "it.jsonl", b'{"text": "a"}\n' * 20_000)
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "resource.setrlimit(resource.RLIMIT_CPU, (30, 30));"
        "from pathlib import Path; from db.files.file_check import *;"
        f"file = DataFile(Path({str(file.path)!r}), 'dataset', 'it');"
        "module = 'db.files.file_check';"
        "request = {'path': str(file.path), 'check': 'upload', 'field': 'dataset', 'name': 'it'};"
        "request['text_field'] = ''; print(run_bounded(module, request, memory_bytes=4 << 30))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "{}\n"


def test_errors_of_a_bounded_process_keep_their_text(tmp_path: Path) -> None:
    content = b'{"text": "a"}\n' * 20_000 + b'{"page": "a"}\n'
    file = data_file(tmp_path / "it.jsonl", content)
    assert file_check.check_file(file, "peek") == [], "only the beginning is read"
    with pytest.raises(SpecRefusedError) as refused:
        file_check.check_file(file, "upload")
    assert refused.value.reason == "line 20001 has no field 'text'; its fields are page"


def test_a_parquet_bomb_is_refused(tmp_path: Path) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["a" * MIB]))
    path = tmp_path / "it.parquet"
    pq.write_table(pa.table({"text": text}), path, compression="zstd")
    assert path.stat().st_size < 2000
    with pytest.raises(SpecRefusedError, match="more than 64 MiB of text"):
        file_check.check_file(DataFile(path, "dataset", "local:it"), "peek")
