"""Task files can name data, other tasks, and functions in a file beside them, but no other code."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.zero_shot import write_tasks
from worker.evaluation.task_fields import TaskError
from worker.evaluation.task_files import TaskFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.json").write_text("{}")
    return write_tasks(tmp_path / "tasks")


def change(folder: Path, **fields: Any) -> None:
    task = yaml.safe_load((folder / "sums.yaml").read_text())
    (folder / "sums.yaml").write_text(yaml.safe_dump(task | fields))


def reason(folder: Path, name: str = "sums") -> str:
    with pytest.raises(TaskError) as refused:
        TaskFiles([folder]).tasks(name)
    return str(refused.value)


def names(folder: Path, name: str) -> list[str]:
    return [task["task"] for task in TaskFiles([folder]).tasks(name)]


def test_groups_tags_and_includes_are_resolved(folder: Path) -> None:
    (folder / "both.yaml").write_text("group: both\ntask: [sums, inner, both]\n")
    (folder / "inner.yaml").write_text(
        "group: inner\ntask:\n- task: parity\n  description: 'Think. '\n"
    )
    (folder / "more.yaml").write_text("include: sums.yaml\ntask: more\ntag: [few]\n")
    assert names(folder, "both") == ["sums", "parity"]
    assert TaskFiles([folder]).tasks("both")[1]["description"] == "Think. "
    [more] = TaskFiles([folder]).tasks("few")
    assert (more["task"], more["test_split"]) == ("more", "test")
    assert "missing" not in TaskFiles([folder])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metadata: !!python/object/apply:os.system [true]\n", "only !function is supported"),
        ("metadata: !function utils.rows\n", "'metadata' is a function"),
        ("process_docs: utils.rows\n", "'process_docs', which must be a !function"),
        ("process_docs: !function os.system\n", "there is no file os.py beside it"),
        ("process_docs: !function ../secret.run\n", "there is no file ../secret.py beside it"),
        ("process_docs: !function linked.run\n", "its file is outside of the folders"),
        ("process_docs: !function broken.run\n", "broken.py cannot be imported: not today"),
        ("process_docs: !function utils.lost\n", "utils.py has no function lost"),
        ("a: &a [x]\nb: [*a, *a]\n", "has an alias"),
        (f"a: {'[' * 5000}{']' * 5000}\n", "too deeply nested"),
        ("a: [\n", "not readable YAML"),
        ("a: \0\n", "not readable YAML"),
        ("include: sums.yaml\n", "sums.yaml is included twice"),
        ("include: ../secret.yaml\n", "secret.yaml is outside"),
        ("include: /etc/passwd\n", "passwd is outside"),
        ("include: lost.yaml\n", "there is no file lost.yaml"),
        ("include: [5]\n", "names no file"),
        ("5: 6\n", "fields with names"),
    ],
)
def test_a_file_that_names_other_code_or_leaves_its_folder_is_refused(
    folder: Path, text: str, says: str
) -> None:
    (folder / "utils.py").write_text("rows = list\n")
    (folder / "broken.py").write_text("raise SystemExit('not today')\n")
    (folder.parent / "outside.py").write_text("run = list\n")
    (folder / "linked.py").symlink_to(folder.parent / "outside.py")
    with (folder / "sums.yaml").open("a") as file:
        file.write(text)
    assert says in reason(folder)
    assert names(folder, "parity") == ["parity"], "another file is not affected"


def test_a_function_is_imported_only_for_the_task_that_names_it(folder: Path) -> None:
    utils = folder / "utils.py"
    utils.write_text("def rows(rows):\n    return rows\n")
    with (folder / "sums.yaml").open("a") as file:
        file.write("process_docs: !function utils.rows\n")
    [sums] = TaskFiles([folder]).tasks("sums")
    assert sums["process_docs"]([1]) == [1]
    utils.write_text("raise RuntimeError('imported')\n")
    assert names(folder, "parity") == ["parity"]
    assert "cannot be imported: imported" in reason(folder)


def test_a_file_that_is_a_link_to_itself_is_refused(folder: Path) -> None:
    (folder / "loop.yaml").symlink_to("loop.yaml")
    assert "there is no file loop.yaml" in reason(folder, "loop")
    change(folder, dataset_kwargs={"data_files": str(folder / "loop.yaml")})
    assert "there is no data file" in reason(folder)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"class": "os.system"}, "'class', which is not supported"),
        ({"unsafe_code": True}, "'unsafe_code'"),
        ({"doc_to_text": 5}, "doc_to_text is 5"),
        ({"repeats": 10**9}, "repeats is 1000000000"),
        ({"dataset_path": "/etc"}, "'/etc' is neither"),
        ({"dataset_path": None}, "no dataset_path"),
        ({"dataset_kwargs": {}}, "name no data_files"),
        ({"dataset_kwargs": {"data_files": "/lost"}}, "there is no data file '/lost'"),
        ({"dataset_kwargs": {"data_files": {"test": ["https://x.org/a"]}}}, "there is no data"),
        ({"dataset_kwargs": {"cache_dir": "/tmp/x"}}, "'cache_dir'"),
        ({"metric_list": [{"metric": "./evil"}]}, "'./evil' is not one of the harness"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "'acc'"),
        ({"metric_list": [{"metric": "acc", "aggregation": []}]}, "aggregation []"),
        ({"fewshot_config": {"sampler": "evil"}}, "fewshot_config"),
    ],
)
def test_a_field_that_runs_code_or_names_no_data_is_refused(
    folder: Path, fields: dict[str, Any], says: str
) -> None:
    change(folder, **fields)
    assert says in reason(folder)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ("both", "not a list of names"),
        (["both"], "a group without tasks"),
        (["lost"], "'lost', and there is no file"),
        ([{"task": 5}], "neither a name nor a task"),
        ([{"task": "both", "group": []}], "a group without tasks"),
    ],
)
def test_a_group_without_proper_members_is_refused(folder: Path, members: Any, says: str) -> None:
    (folder / "both.yaml").write_text(yaml.safe_dump({"group": "both", "task": members}))
    assert says in reason(folder, "both")
