from pathlib import Path

import pytest

from tests.suite.inner import run_tests

pytestmark = pytest.mark.process

CONFTEST = """
    from pathlib import Path
    import pytest
    from tests.suite.starts import StartError

    @pytest.fixture(scope="session")
    def service():
        with Path("starts").open("a") as file:
            file.write("!")
        raise StartError("it says: no such setting")
"""
TESTS = """
    import pytest

    @pytest.mark.parametrize("number", range(5))
    def test_of_it(service, number): pass
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_after_a_failed_start_no_test_is_run_and_its_log_is_shown(
    tmp_path: Path, processes: str
) -> None:
    done = run_tests(tmp_path, "starts", "-n", processes, conftest=CONFTEST, test_it=TESTS)
    assert "1 error in " in done.stdout, done.stdout
    assert "it says: no such setting !!!" in done.stdout
    assert (tmp_path / "starts").read_text() == "!"
    assert done.returncode != 0
