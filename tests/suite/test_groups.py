from pathlib import Path

import pytest

from tests.suite.inner import run_tests

pytestmark = pytest.mark.process

CONFTEST = """
    import os
    from pathlib import Path
    import pytest
    from tests.suite.groups import UNTIL_GROUP_ENDS

    def note(name):
        with Path(name).open("a") as file:
            file.write(f"{os.getpid()}\\n")

    def add_to_order(what):
        with Path("order").open("a") as file:
            file.write(f"{os.getpid()}:{what}\\n")

    @pytest.fixture(scope="session")
    def shared_service(request):
        note("service")
        with request.config.stash[UNTIL_GROUP_ENDS] as until_group_ends:
            until_group_ends.callback(add_to_order, "the service ends")
            yield

    @pytest.fixture(scope="module")
    def of_module(request):
        note(Path(request.path).stem)

    @pytest.fixture(autouse=True)
    def order(request):
        note("all")
        add_to_order(request.path.stem)
"""
SHARING = """
    def test_first(of_module): pass
    def test_second(shared_service): pass
    def test_third(of_module): pass
"""
OTHER = """
    def test_first(of_module): pass
    def test_second(of_module): pass
"""
FILES = {
    "conftest": CONFTEST,
    "api__test_early": OTHER,
    "api__test_middle": OTHER,
    "chaos__test_kills": OTHER,
    "e2e__test_a": SHARING,
    "e2e__test_z": SHARING,
    "fuzz__test_long": OTHER,
    "worker__test_late": OTHER,
}


def test_one_process_has_all_files_of_the_shared_service_and_no_file_is_divided(
    tmp_path: Path,
) -> None:
    arguments = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
    done = run_tests(tmp_path, "groups", *arguments, **FILES)
    assert done.returncode == 0, done.stdout
    made = {path.name: path.read_text().split() for path in tmp_path.iterdir() if path.is_file()}
    assert len(made["service"]) == 1
    assert made["test_a"] == made["test_z"] == made["service"]
    assert {len(made[name]) for name in made if name.startswith("test_")} == {1}
    assert len(set(made["all"])) == 3


def test_the_tests_of_the_shared_service_come_first_then_it_ends_and_then_come_those_that_wait(
    tmp_path: Path,
) -> None:
    run_tests(tmp_path, "groups", **FILES)
    order = list(dict.fromkeys(what for _, what in read_order(tmp_path)))
    waiting, computing = (
        ["test_a", "test_z", "the service ends", "test_kills"],
        ["test_early", "test_middle", "test_late"],
    )
    assert order == [*waiting, *computing, "test_long"]


def test_every_second_process_begins_at_the_end(tmp_path: Path) -> None:
    arguments = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
    run_tests(tmp_path, "groups", *arguments, **FILES)
    firsts = dict(reversed(read_order(tmp_path)))
    assert set(firsts.values()) == {"test_a", "test_long"}


def read_order(folder: Path) -> list[tuple[str, str]]:
    """Return what happened, each with the process in which it did."""
    lines = (folder / "order").read_text().splitlines()
    return [(process, what) for process, _, what in (line.partition(":") for line in lines)]
