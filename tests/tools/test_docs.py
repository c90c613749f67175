import re
from pathlib import Path

import typer

from tools.docs import commands
from zpruner.cli.commands.programs import PASS_ARGUMENTS_ON


def test_every_command_and_every_option_has_a_description() -> None:
    missing = []
    for name, command in commands():
        context = typer.Context(command, info_name=name)
        rows = [row for one in command.params if (row := one.get_help_record(context))]
        missing += [f"{name} {option}" for option, text in rows if text.lstrip().startswith("[")]
        missing += [f"{name} {option}" for option, text in rows if not text]
        missing += [] if command.help else [name]
    assert missing == []


def test_the_options_of_zpruner_prune_are_those_of_its_program() -> None:
    found = dict(commands())
    assert "out" in {one.name for one in found["zpruner prune"].params}
    assert found["zpruner serve"].context_settings == PASS_ARGUMENTS_ON


def test_no_page_installs_the_bare_name_which_no_index_has_and_anyone_could_register() -> None:
    root = Path(__file__).parents[2]
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    bare = re.compile(r"pip install (-\S+ )*[\"']?zpruner(?![\w\[])")
    assert [page.name for page in pages if bare.search(page.read_text("utf-8"))] == []
