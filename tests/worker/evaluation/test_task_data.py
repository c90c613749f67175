"""Private data sets of tasks are opened by the operator's token, which no environment has."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.hub import Hub

SCRIPT = """
import sys
from pathlib import Path
from db.core import operator_keys
from worker.evaluation.harness import TaskCatalogue

operator_keys.take()
[task] = TaskCatalogue([Path(sys.argv[1])]).load("private", None)
assert "hf_secret" not in repr(task._task.dump_config())
print(len(task._task.dataset["test"]))
"""
TASK = {
    "task": "private",
    "dataset_path": "org/private",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "{{question}}",
    "doc_to_choice": ["yes", "no"],
    "doc_to_target": "answer",
}


def test_a_task_with_a_private_data_set_is_loaded_by_a_process_of_jobs(tmp_path: Path) -> None:
    (tmp_path / "private.yaml").write_text(yaml.safe_dump(TASK))
    rows = b'{"question": "1 + 1 = 2?", "answer": 0}\n{"question": "1 = 2?", "answer": 1}\n'
    with Hub() as hub:
        hub.add_dataset("org/private", {"test.jsonl": rows}, token="hf_secret")
        environment = os.environ | {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "hf_secret",
            "HF_HOME": str(tmp_path / "hub"),
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path)],
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "2"
    sent = {request.path: request.headers.get("authorization") for request in hub.requests}
    assert {token for path, token in sent.items() if "/org/" in path} == {"Bearer hf_secret"}
