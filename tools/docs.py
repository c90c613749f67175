"""A hook of mkdocs that generates pages of the documentation from code."""

from collections.abc import Iterator

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.core import TyperCommand, TyperGroup

from zpruner.cli.main import app

COMMAND_LINE = "reference/command-line.md"
INTRODUCTION = """# Command line

Generated from the code of `zpruner`. Exit codes are in [Jobs over HTTP](../jobs.md).
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    files.append(File.generated(config, COMMAND_LINE, content=command_line()))
    return files


def command_line() -> str:
    """Return the reference of every command and its options, as Markdown."""
    root = typer.main.get_group(app)
    return "\n".join([INTRODUCTION, *_sections(root, "zpruner")])


def _sections(group: TyperGroup, name: str) -> Iterator[str]:
    for word, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _sections(command, f"{name} {word}")
        elif isinstance(command, TyperCommand):
            yield from _section(command, f"{name} {word}")


def _section(command: TyperCommand, name: str) -> Iterator[str]:
    context = typer.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"## {name}\n\n```\n{usage}\n```\n\n{command.help or ''}\n"
    if rows := [row for one in command.params if (row := one.get_help_record(context))]:
        yield "| argument or option | meaning |\n|---|---|"
        yield from (f"| `{option}` | {_cell(meaning)} |" for option, meaning in rows)
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
