"""A command with the many options of a job, whose help is short and in groups."""

from collections import defaultdict
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typing_extensions import override

from zpruner.cli.option_groups import GROUPS, USUAL

ALL = "zpruner.all_options"
OTHERS = "Options"


class JobCommand(TyperCommand):
    """Shows the usual options with `--help`, and every option with `--help-all`.

    The help is plain text: no name is shortened, whatever the width of the terminal.
    """

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields | {"rich_markup_mode": None})

    @override
    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        hidden = 0
        for option in self.get_params(ctx):
            group = getattr(option, "rich_help_panel", None) or OTHERS
            if group in GROUPS and option.name not in USUAL and ALL not in ctx.meta:
                hidden += 1
            elif record := option.get_help_record(ctx):
                title = "Arguments" if option.param_type_name == "argument" else group
                groups[title].append(record)
        for title in ("Arguments", *GROUPS, OTHERS):
            if rows := groups.get(title):
                with formatter.section(title):
                    formatter.write_dl(rows)
        if hidden:
            formatter.write_paragraph()
            formatter.write_text(f"--help-all shows {hidden} more options.")


def _show_all(context: typer.Context, is_given: bool) -> None:
    if is_given:
        context.meta[ALL] = True
        typer.echo(context.get_help())
        raise typer.Exit


HelpAllOption = Annotated[
    bool,
    typer.Option("--help-all", help="Show every option.", callback=_show_all, is_eager=True),
]
