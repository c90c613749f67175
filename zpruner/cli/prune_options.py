"""The options of `zpruner prune`, for its help and for the program that prunes."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from zpruner.cli.field_options import JOB_FIELDS

_DESCRIPTIONS = {
    "model": "A Hugging Face id or a folder.",
    "dataset": "Calibration text: a built-in name, a Hugging Face id or a file.",
}
_OF_A_SERVICE = ("model_secret", "output")
"""Fields that name secrets, which are in a service's database."""
PRUNE_FIELDS = tuple(
    replace(option, help=_DESCRIPTIONS.get(option.name, option.help))
    for option in JOB_FIELDS
    if option.name not in _OF_A_SERVICE
)

OutArgument = Annotated[Path, typer.Argument(help="The folder to write; it must not exist yet.")]
DeviceOption = Annotated[str, typer.Option(help="Device to compute on.")]
DevicesOption = Annotated[
    int, typer.Option(min=1, help="How many GPUs, or processes on a CPU, share the work.")
]
MemoryOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="ZPRUNER_MEMORY_BUDGET_BYTES",
        help="The most memory to use; by default all of the machine's.",
    ),
]
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Print the memory and time needed; prune nothing.")
]
