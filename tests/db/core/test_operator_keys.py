"""A process that has taken the operator's keys has them in no environment, and still uses them."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from db.core import operator_keys
from db.core.operator_keys import BUCKET_KEYS, HUB_TOKENS, NAMES, READ_ONCE

SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
from db.core import operator_keys, redaction

operator_keys.take()
operator_keys.take()  # it changes nothing
child = "import json, os; print(json.dumps(dict(os.environ)))"
found = subprocess.run([sys.executable, "-c", child], capture_output=True, check=True)
print(json.dumps({
    "os": dict(os.environ),
    "proc": os.fsdecode(Path("/proc/self/environ").read_bytes()),
    "child": json.loads(found.stdout),
    "buckets": operator_keys.kept_bucket_keys(),
    "hub": operator_keys.kept_hub_token(),
    "logged": redaction.redact("the token is canary-of-HF_TOKEN"),
}))
"""


def taken(**variables: str) -> dict[str, Any]:
    """Return what a process with these variables finds once it has taken its keys."""
    others = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=others | variables, capture_output=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_taken_keys_are_in_no_environment_and_in_that_of_no_child() -> None:
    given = {name: f"canary-of-{name}" for name in NAMES}
    found = taken(**given, LANGUAGE="kept")

    assert not NAMES & found["os"].keys()
    assert not NAMES & found["child"].keys()
    assert found["os"]["LANGUAGE"] == found["child"]["LANGUAGE"] == "kept"
    assert "LANGUAGE=kept" in found["proc"]
    assert "canary" not in found["proc"]
    assert found["buckets"] == {name: given[name] for name in BUCKET_KEYS}
    assert found["hub"] == given["HF_TOKEN"]
    assert found["logged"] == "the token is ***"


def test_without_keys_nothing_is_kept() -> None:
    found = taken(HF_TOKEN="", AWS_SESSION_TOKEN="")
    assert (found["buckets"], found["hub"]) == ({}, None)
    assert not NAMES & found["os"].keys()


def test_the_older_variable_of_the_hub_counts_if_the_newer_one_has_no_value() -> None:
    newer, older = HUB_TOKENS
    assert taken(**{newer: "", older: "hf_older\n"})["hub"] == "hf_older"


def test_a_token_that_the_hubs_client_must_not_send_by_itself_is_not_given_to_it() -> None:
    variables = {"HF_TOKEN": "hf_secret", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes"}
    assert taken(**variables)["hub"] is None


def test_a_child_that_needs_no_keys_gets_none_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "canary")
    child = operator_keys.environment_without_keys()
    assert not NAMES & child.keys()
    assert child["PATH"] == os.environ["PATH"]
    assert set(READ_ONCE) <= os.environ.keys(), "this process keeps them"
