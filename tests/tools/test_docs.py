import json
import re
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand

from api.schemas.requests import JobRequest
from db.spec.catalogue import METHODS
from tools.descriptions import written
from tools.docs import commands
from zpruner.cli.commands.programs import PASS_ARGUMENTS_ON

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("api", "db", "worker", "zpruner")


def test_every_command_and_every_option_has_a_description() -> None:
    missing = []
    for name, command in commands():
        context = typer.Context(command, info_name=name)
        rows = [row for one in command.params if (row := one.get_help_record(context))]
        missing += [f"{name} {option}" for option, text in rows if text.lstrip().startswith("[")]
        missing += [f"{name} {option}" for option, text in rows if not text]
        missing += [] if command.help else [name]
    assert missing == []


def test_the_files_made_from_descriptions_are_up_to_date() -> None:
    old = [file.name for file, text in written() if file.read_text("utf-8") != text]
    assert old == [], "run `make generated`"


def test_the_options_of_zpruner_prune_are_those_of_its_program() -> None:
    found = dict(commands())
    assert "out" in {one.name for one in found["zpruner prune"].params}
    assert found["zpruner serve"].context_settings == PASS_ARGUMENTS_ON


def test_no_page_installs_the_bare_name_which_no_index_has_and_anyone_could_register() -> None:
    pages = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    bare = re.compile(r"pip install (-\S+ )*[\"']?zpruner(?![\w\[])")
    assert [page.name for page in pages if bare.search(page.read_text("utf-8"))] == []


def test_each_method_solver_and_allocation_has_a_page() -> None:
    names = {method.name.value for method in METHODS} - {"none"}
    assert [name for name in sorted(names) if not (DOCS / f"methods/{name}.md").exists()] == []


def test_each_job_on_the_page_of_a_method_is_a_valid_request() -> None:
    pages = [page.read_text("utf-8") for page in sorted((DOCS / "methods").glob("*.md"))]
    jobs = [job for page in pages for job in re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)]
    for job in jobs:
        JobRequest.model_validate(json.loads(job))
    assert len(jobs) > 25


def test_each_command_and_each_option_of_the_pages_exists() -> None:
    known, wrong = dict(commands()), []
    for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]:
        text = page.read_text("utf-8")
        for words in re.findall(r"(?:`|^ *|&& |\$\()(zpruner [a-z][^`#|&\n]*)", text, re.M):
            wrong += [] if _is_possible(words, known) else [(page.name, words)]
    assert wrong == []


@pytest.mark.parametrize("page", ["README.md", "docs/features.md", "docs/first-steps.md"])
def test_each_test_that_shows_a_claim_exists(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for path in re.findall(r"\b(tests/[\w/.]+)", text):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ((?:benchmarks|tests)[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_each_link_to_a_page_leads_to_a_heading_of_it(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\((docs/[^)#\s]+\.md)(?:#([^)\s]+))?\)", text)
    for path, anchor in links:
        headings = re.findall(r"^#+ (.*)$", (ROOT / path).read_text("utf-8"), re.M)
        assert anchor in {"", *map(_anchor, headings)}, (path, anchor)
    assert links


def test_each_decision_that_is_named_is_in_the_index() -> None:
    index = (DOCS / "decisions/README.md").read_text("utf-8")
    listed = {int(number) for number in re.findall(r"^\| .* \| (\d+)\. \[", index, re.M)}
    assert listed == {int(page.name[:4]) for page in (DOCS / "decisions").glob("0*.md")}
    sources = [ROOT / "CONTRIBUTING.md", ROOT / "pyproject.toml", *DOCS.rglob("*.md")]
    sources += [path for part in PACKAGES for path in (ROOT / part).glob("**/*.py")]
    named = {
        (int(number), path.name)
        for path in sources
        for number in re.findall(r"\bdecision (\d+)\b", path.read_text("utf-8"), re.I)
    }
    assert [mention for mention in sorted(named) if mention[0] not in listed] == []
    assert len(named) > len(listed)


def _anchor(heading: str) -> str:
    words = re.sub(r"[^\w\s-]", "", heading).strip().lower()
    return re.sub(r"[-\s]+", "-", words)


def _is_possible(words: str, known: dict[str, TyperCommand]) -> bool:
    """Whether the first words are a command, or stand for any (`…`), and it has the options."""
    first, *more = words.split()
    if "…" in more[:2]:
        return True
    names = (" ".join([first, *more[:count]]) for count in (2, 1))
    if (found := next((known[name] for name in names if name in known), None)) is None:
        return False
    options = {option for one in found.params for option in (*one.opts, *one.secondary_opts)}
    named = set(re.findall(r" (--[\w-]+)", words)) - {"--help"}
    return found.context_settings == PASS_ARGUMENTS_ON or named <= options
