"""What PyPI would show of the distribution."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
OF_THE_REPOSITORY = "https://github.com/z-pruner/z-pruner/blob/main/"


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """What a build writes into the distribution."""
    command = [sys.executable, "-m", "hatchling", "metadata"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_no_link_of_the_page_is_relative_and_each_leads_to_a_file(metadata: dict[str, Any]) -> None:
    page = metadata["readme"]["text"]
    assert metadata["readme"]["content-type"] == "text/markdown"
    assert len(links(page)) == len(links((ROOT / "README.md").read_text()))
    assert [one for one in links(page) if not one.startswith(("https://", "http://", "#"))] == []
    ours = [one for one in links(page) if one.startswith(OF_THE_REPOSITORY)]
    assert len(ours) > 10
    for link in ours:
        assert (ROOT / link.removeprefix(OF_THE_REPOSITORY).partition("#")[0]).exists(), link


def test_the_distribution_says_whose_it_is_and_what_for(metadata: dict[str, Any]) -> None:
    assert metadata["authors"] == [{"name": "Z-Pruner contributors"}]
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= metadata["urls"].keys()
    assert {"llm", "pruning"} <= set(metadata["keywords"])
    assert "Framework :: FastAPI" in metadata["classifiers"]
    assert ("Typing :: Typed" in metadata["classifiers"]) == (ROOT / "zpruner/py.typed").exists()
