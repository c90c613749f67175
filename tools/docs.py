"""An MkDocs hook: the reference page of the command line, and the methods in the navigation."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.core import TyperCommand, TyperGroup

from db.spec.catalogue import MethodInfo
from tools.descriptions import methods_of
from worker.standalone import command as prune
from worker.standalone import gguf, speed
from zpruner.cli import folders
from zpruner.cli.commands.main import app
from zpruner.cli.commands.programs import PASS_ARGUMENTS_ON

COMMAND_LINE = "reference/command-line.md"
INTRODUCTION = """# Command line

Made from the code of `zpruner`. Exit codes are in [Jobs over HTTP](../jobs.md).
"""
SECTIONS = {
    "Scores": methods_of("method"),
    "Solvers": methods_of("method", "solver") + methods_of("solver"),
    "Sparsities of blocks and matrices": methods_of("allocation"),
}
FOLDER = Path(__file__).parents[1] / "docs"
"""The folder in which programs run to print their help.

Programs check the settings in the `.env` of their working directory; this folder has none.
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of methods that have a description to their sections of the navigation."""
    methods = next(part["Methods"] for part in config.nav or [] if "Methods" in part)
    sections = {name: pages for part in methods for name, pages in part.items()}
    for name, described in SECTIONS.items():
        sections[name][:0] = [{f"{one.title}, {one.name}": _page(one)} for one in described]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference page of the command line."""
    files.append(File.generated(config, COMMAND_LINE, content=command_line()))
    return files


def command_line() -> str:
    """Return the reference of all commands and their options, as Markdown."""
    found = dict(commands())
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # starting a program takes a second
        return "\n".join([INTRODUCTION, *pool.map(_section, found, found.values())])


def commands() -> Iterator[tuple[str, TyperCommand]]:
    """Yield the full name and the definition of each command that a help text shows."""
    programs = (prune.app, speed.app, gguf.app, folders.app)
    own = {
        name: command
        for program in programs
        for name, command in _below(typer.main.get_group(program), "zpruner")
    }
    for name, command in _below(typer.main.get_group(app), "zpruner"):
        yield name, own.get(name, command)


def _page(method: MethodInfo) -> str:
    return f"methods/{method.name}.md"


def _below(group: TyperGroup, name: str) -> Iterator[tuple[str, TyperCommand]]:
    for own, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _below(command, f"{name} {own}")
        elif isinstance(command, TyperCommand) and not command.hidden:
            yield f"{name} {own}", command


def _section(name: str, command: TyperCommand) -> str:
    # A program of the service has its own parser, so its options are not in the command.
    is_program = command.context_settings == PASS_ARGUMENTS_ON
    body = _program_help(name) if is_program else _described(name, command)
    return f"## {name}\n\n{body}\n"


def _program_help(name: str) -> str:
    words = [str(Path(sys.executable).with_name("zpruner")), *name.split()[1:], "--help"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ZPRUNER_")}
    environment["COLUMNS"] = "100"
    done = subprocess.run(
        words, env=environment, cwd=FOLDER, capture_output=True, text=True, check=True
    )
    return f"```\n{done.stdout}```\n"


def _described(name: str, command: TyperCommand) -> str:
    context = typer.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    rows = [row for one in command.params if (row := one.get_help_record(context))]
    table = "".join(f"| `{option}` | {_cell(meaning)} |\n" for option, meaning in rows)
    head = "| argument or option | meaning |\n|---|---|\n" if rows else ""
    return f"```\n{usage}\n```\n\n{command.help or ''}\n\n{head}{table}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
