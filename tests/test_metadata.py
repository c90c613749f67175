"""The metadata that PyPI shows."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
REPOSITORY = "https://github.com/z-pruner/z-pruner/blob/main/"


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    """The metadata of a built distribution."""
    command = [sys.executable, "-m", "hatchling", "metadata"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_no_link_is_relative_and_each_link_to_the_repository_is_valid(
    metadata: dict[str, Any],
) -> None:
    page = metadata["readme"]["text"]
    assert metadata["readme"]["content-type"] == "text/markdown"
    assert len(links(page)) == len(links((ROOT / "README.md").read_text()))
    assert [one for one in links(page) if not one.startswith(("https://", "http://", "#"))] == []
    ours = [one for one in links(page) if one.startswith(REPOSITORY)]
    assert len(ours) > 10
    for link in ours:
        assert (ROOT / link.removeprefix(REPOSITORY).partition("#")[0]).exists(), link


def test_the_metadata_has_authors_urls_and_keywords(metadata: dict[str, Any]) -> None:
    assert metadata["authors"] == [{"name": "Z-Pruner contributors"}]
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= metadata["urls"].keys()
    assert {"llm", "pruning"} <= set(metadata["keywords"])
    assert "Framework :: FastAPI" in metadata["classifiers"]
    assert ("Typing :: Typed" in metadata["classifiers"]) == (ROOT / "zpruner/py.typed").exists()
