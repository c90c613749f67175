import re
from pathlib import Path

import pytest

from tests.suite.inner import run_tests

pytestmark = pytest.mark.process

STARTING = """
    import multiprocessing, os, subprocess, threading
    from pathlib import Path
    import pytest

    def note():
        Path("started").touch()

    def in_a_process_of(method):
        multiprocessing.get_context(method).Process(target=note).start()

    TOUCH = ["touch", "started"]
    WAYS = {
        "subprocess": lambda: subprocess.run(TOUCH),
        "system": lambda: os.system("touch started"),
        "posix_spawn": lambda: os.posix_spawnp("touch", TOUCH, os.environ),
        "fork": os.fork,
        "of_multiprocessing_spawned": lambda: in_a_process_of("spawn"),
        "of_multiprocessing_from_a_server": lambda: in_a_process_of("forkserver"),
    }

    @pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
    def test_it_starts_a_process(way):
        try:
            way()
        except Exception as error:
            pytest.fail(f"product code would have hidden this: {error}")

    def test_it_starts_none():
        pass

    def test_a_thread_of_it_starts_one():
        thread = threading.Thread(target=lambda: subprocess.run(TOUCH))
        thread.start()
        threading.Event().wait(60)  # for what the process would have said

    @pytest.mark.gpu
    def test_on_a_gpu():
        pass
"""
MARKED = """
    import pytest

    @pytest.fixture
    def browser():
        pytest.fail("it is not wanted")

    postgres = s3_server = browser

    @pytest.fixture(params=["sqlite", "postgres"])
    def database(request):
        assert request.param == "sqlite"

    def test_of_a_page(browser): pass
    def test_of_a_bucket(s3_server): pass
    def test_of_a_server(postgres): pass
    def test_of_a_database(database): pass
"""
ANY = "def test_any(): pass"
MANY = """
    from pathlib import Path
    import pytest

    @pytest.mark.parametrize("number", range(100))
    def test_with_many(number):
        with Path("seen").open("a") as file:
            file.write(f"{number}\\n")

    @pytest.mark.parametrize("number", range(6))
    def test_with_some(number): pass
"""
ALL_SETS = "from tests.suite import tiers\ntiers.first_sets = set"
CHEAP = "from tests.suite import tiers\ntiers.BUDGET_S = 0"


def test_a_test_that_starts_a_process_is_skipped_before_it_does(tmp_path: Path) -> None:
    done = run_tests(tmp_path, "tiers", "--quick", conftest=ALL_SETS, test_starting=STARTING)
    assert re.search(r"\b1 passed, 7 skipped, 1 deselected\b", done.stdout), done.stdout
    assert not (tmp_path / "started").exists()


def test_tests_are_left_out_by_their_folders_and_fixtures(tmp_path: Path) -> None:
    done = run_tests(
        tmp_path,
        "tiers",
        "--quick",
        test_marked=MARKED,
        e2e__test_service=ANY,
        chaos__test_kills=ANY,
        handoffs__test_programs=ANY,
    )
    assert re.search(r"\b1 passed, 7 deselected\b", done.stdout), done.stdout


def test_of_many_sets_of_parameters_the_first_is_taken(tmp_path: Path) -> None:
    done = run_tests(tmp_path, "tiers", "--quick", test_many=MANY)
    assert re.search(r"\b2 passed, 104 deselected\b", done.stdout), done.stdout
    assert [*map(int, (tmp_path / "seen").read_text().split())] == [0]


@pytest.mark.parametrize("processes", ["0", "1"])
def test_a_quick_tier_above_its_budget_fails(tmp_path: Path, processes: str) -> None:
    kept = run_tests(tmp_path, "tiers", "--quick", "-n", processes, test_any=ANY)
    above = run_tests(tmp_path, "tiers", "--quick", "-n", processes, conftest=CHEAP, test_any=ANY)
    assert (kept.returncode, above.returncode) == (0, 1), above.stdout
    assert "TOO MUCH" not in kept.stdout
    assert "TOO MUCH" in above.stdout


def test_the_time_of_all_processes_counts(tmp_path: Path) -> None:
    busy = "import time\ndef test_busy():\n    while time.process_time() < 1: pass"
    done = run_tests(tmp_path, "tiers", "--quick", "-n", "2", test_one=busy, test_other=busy)
    found = re.search(r"CPU time: (\d+) s", done.stdout)
    assert found is not None, done.stdout
    assert int(found[1]) >= 2
