"""Options and arguments that several commands take."""

from typing import Annotated

import typer

JobArgument = Annotated[str, typer.Argument(help="A job's id.")]
FollowOption = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
TimeoutOption = Annotated[float | None, typer.Option("--timeout", help="Seconds to wait at most.")]
