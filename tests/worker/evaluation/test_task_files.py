"""Task files can name data and other tasks, but no code, and nothing outside their folders."""

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
        ("process_docs: !function utils.rows\n", "names Python code (!function)"),
        ("metadata: !!python/object/apply:os.system [true]\n", "names Python code"),
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
def test_a_file_that_runs_code_or_leaves_its_folder_is_refused(
    folder: Path, text: str, says: str
) -> None:
    with (folder / "sums.yaml").open("a") as file:
        file.write(text)
    assert says in reason(folder)
    assert names(folder, "parity") == ["parity"], "another file is not affected"


def test_a_file_that_is_a_link_to_itself_is_refused(folder: Path) -> None:
    (folder / "loop.yaml").symlink_to("loop.yaml")
    assert "there is no file loop.yaml" in reason(folder, "loop")
    change(folder, dataset_kwargs={"data_files": str(folder / "loop.yaml")})
    assert names(folder, "sums") == ["sums"]


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
        ({"dataset_kwargs": {"data_files": "/etc/passwd"}}, "'/etc/passwd' is outside"),
        ({"dataset_kwargs": {"data_files": {"test": ["https://x.org/a"]}}}, "is outside"),
        ({"dataset_kwargs": {"cache_dir": "/tmp/x"}}, "'cache_dir'"),
        ({"metric_list": [{"metric": "./evil"}]}, "'./evil' is not one of the harness"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "'acc'"),
        ({"metric_list": [{"metric": "acc", "aggregation": []}]}, "aggregation []"),
        ({"fewshot_config": {"sampler": "evil"}}, "fewshot_config"),
    ],
)
def test_a_field_that_runs_code_or_opens_other_files_is_refused(
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
