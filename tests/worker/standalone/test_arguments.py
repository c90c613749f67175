"""A wrong argument of `zpruner prune` is refused before torch is imported, and leaves nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import DEADLINE_S

# Every command line in one process: what one of them would import, the next would not need to.
RUNS = """
import json, sys
from contextlib import redirect_stderr
from io import StringIO
from worker.standalone import command
results = []
for words in json.load(sys.stdin):
    command.stderr.file = StringIO()
    try:
        command.app(words, prog_name="zpruner prune")
    except SystemExit as end:
        code = end.code
    results.append((code, command.stderr.file.getvalue(), "torch" in sys.modules))
json.dump(results, sys.stdout)
"""
WRONG = {
    "device": (["--device", "foo"], "device 'foo': it is not auto, cpu, cuda, or a GPU"),
    "sparsity": (["--sparsity", "1.5"], "sparsity 1.5: is too large. Write 0.015 for 1.5 %"),
    "correction": (["--correction", "0.3"], "Name a solver such as alps"),
    "dataset": (["--dataset", "gone.txt"], "dataset 'gone.txt': there is no such file"),
    "text": (["--eval-dataset", "a b"], "eval_dataset 'a b': it is not a Hugging Face id"),
    "task": (["--tasks", "local:gone.jsonl"], "there is no such file. Name a JSONL file"),
    "questions": (["--tasks", "local:/proc/version"], "questions are read from JSONL"),
    "model": (["MODEL", "gone"], "/gone': there is no such folder"),
    "weights": (["MODEL", "bare"], "it has no config.json"),
    "inside": (["OUT", "dense/out"], "it is inside the model's folder"),
    "taken": (["OUT", "bare"], "it exists and is not empty. Name a new folder"),
    "file": (["OUT", "text.txt/out"], "text.txt is not a folder. Name another"),
    "closed": (["OUT", "/proc/out"], "/proc is not writable"),
    "root": (["OUT", "/"], "out '/': it exists and is not empty"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("arguments")
    for name in ("dense/config.json", "dense/model.safetensors", "bare/mine", "text.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    return folder


def command_line(folder: Path, words: list[str]) -> list[str]:
    """Return a good command line in which one word is replaced, or an option is added."""
    name, value = words
    places = {"MODEL": str(folder / "dense"), "OUT": str(folder / "new" / "out")}
    options = {"--sparsity": "0.5", "--dataset": str(folder / "text.txt")}
    if name in places:
        places[name] = str(folder / value)
    else:
        options[name] = value
    return [*places.values(), *(word for pair in options.items() for word in pair)]


@pytest.fixture(scope="module")
def answers(folder: Path) -> dict[str, tuple[int, str, bool]]:
    lines = [command_line(folder, words) for words, _ in WRONG.values()]
    done = subprocess.run(
        [sys.executable, "-c", RUNS],
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return dict(zip(WRONG, found, strict=True))


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_argument_is_reported_without_importing_torch(
    fault: str, answers: dict[str, tuple[int, str, bool]]
) -> None:
    code, message, has_torch = answers[fault]
    assert (code, has_torch) == (2, False)
    assert message.startswith("error: ")
    assert WRONG[fault][1] in message


def test_refused_arguments_leave_no_file(
    folder: Path, answers: dict[str, tuple[int, str, bool]]
) -> None:
    assert answers
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert left == [
        "bare",
        "bare/mine",
        "dense",
        "dense/config.json",
        "dense/model.safetensors",
        "text.txt",
    ]
