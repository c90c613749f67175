"""Options and arguments that several commands share."""

from typing import Annotated

import typer

JobArgument = Annotated[str, typer.Argument(help="The id of a job.")]
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", help="Continue until the job has ended.")
]
GraceOption = Annotated[
    int | None,
    typer.Option(
        "--grace-s", help="Seconds for which the old secret stays valid; a day by default."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the response as JSON.")]
LimitOption = Annotated[int, typer.Option("--limit", help="The most entries to list.")]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="The most seconds to wait.")]
