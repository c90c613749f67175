"""The real way in: the hub's address and token from the environment of a fresh process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub import Hub
from tests.worker.sources.builders import model_files, parquet

SCRIPT = """
import os
import sys
from db.core import operator_keys
from db.spec.inputs.references import parse_dataset, parse_model
from worker.sources.models import fetch_model
from worker.sources.texts import load_texts

if "taken" in sys.argv:
    operator_keys.take()
print(fetch_model(parse_model("org/tiny", "main", ())).revision)
assert "datasets" not in sys.modules
print(load_texts(parse_dataset("org/set", ()), "evaluation", str).joined)
sys.stdout.flush()
os._exit(0)  # Arrow aborts a process that ends while its threads still run
"""


@pytest.mark.parametrize("words", [[], ["taken"]])
def test_address_and_token_come_from_the_environment_and_no_warning_escapes(
    words: list[str], tmp_path: Path
) -> None:
    with Hub() as hub:
        model = hub.add_model("org/tiny", model_files(), token="hf_secret")
        files = {f"data/{split}-0.parquet": parquet([split]) for split in ("train", "test")}
        hub.add_dataset("org/set", files, token="hf_secret")
        environment = os.environ | {
            "HF_ENDPOINT": hub.url,
            "HF_TOKEN": "hf_secret",
            "HF_HOME": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT, *words],
            env=environment,
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [model.sha, "test"]
    assert "Warning" not in done.stderr
    sent = {request.path: request.headers.get("authorization") for request in hub.requests}
    assert {token for path, token in sent.items() if "/org/" in path} == {"Bearer hf_secret"}
