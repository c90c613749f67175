"""Commands that start other programs, which need packages that a client may lack."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, NoReturn

import typer
from typing_extensions import override

from zpruner.cli.exit_codes import USAGE
from zpruner.cli.field_options import with_fields
from zpruner.cli.job_command import JobCommand
from zpruner.cli.prune_options import (
    PRUNE_FIELDS,
    DeviceOption,
    DevicesOption,
    MemoryOption,
    OutArgument,
    PlanOption,
)
from zpruner.cli.terminal import stderr
from zpruner.parts.programs import PING_NEEDS, replace_process

PASS_ARGUMENTS_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
API = ("sqlalchemy", "fastapi", "uvicorn")
WORKER = ("sqlalchemy", "celery", "torch", "transformers")
FILES = ("numpy",)
GGUF = ("sqlalchemy", "torch", "transformers", "gguf", "sentencepiece", "xllamacpp")

ARGUMENTS = "zpruner.arguments"


class ForwardedCommand(JobCommand):
    """Checks its arguments, and passes them on to the program as they were given."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)


app = typer.Typer()
part = typer.Typer(no_args_is_help=True, help="Run one part of the service by itself.")
app.add_typer(part, name="part")


@app.command(context_settings=PASS_ARGUMENTS_ON)
def serve(context: typer.Context) -> None:
    """Run the whole service on this machine; see --help for the options."""
    _exec("serve", context.args, dict.fromkeys((*API, *WORKER)), "embedded")


@app.command(cls=ForwardedCommand)
@with_fields(*PRUNE_FIELDS)
def prune(
    fields: dict[str, Any],
    context: typer.Context,
    out: OutArgument,
    device: DeviceOption = "auto",
    devices: DevicesOption = 1,
    memory_budget_bytes: MemoryOption = None,
    plan: PlanOption = False,
) -> None:
    """Prune a model into a folder; the last line of output is a JSON object of metrics."""
    _exec("prune", context.meta[ARGUMENTS], ("torch", "transformers"), "worker")


@app.command(context_settings=PASS_ARGUMENTS_ON)
def speed(context: typer.Context) -> None:
    """Measure speed and memory of two models without a service; see --help for the options."""
    _exec("speed", context.args, ("torch", "transformers"), "worker")


@app.command(context_settings=PASS_ARGUMENTS_ON)
def gguf(context: typer.Context) -> None:
    """Write a model folder as a GGUF file for llama.cpp; see --help for the options."""
    asks_for_help = {"-h", "--help"} & set(context.args)
    _exec("gguf", context.args, () if asks_for_help else GGUF, "llama")


@app.command(context_settings=PASS_ARGUMENTS_ON)
def doctor(context: typer.Context) -> None:
    """Check the settings and this machine without starting anything; see --help for the options."""
    _exec("doctor", context.args, ("sqlalchemy", "celery"), "embedded")


@app.command(context_settings=PASS_ARGUMENTS_ON)
def backup(context: typer.Context) -> None:
    """Back up the service, which may keep running; see --help for the options."""
    _exec("backup", context.args, ("sqlalchemy",), "service")


@app.command(context_settings=PASS_ARGUMENTS_ON)
def restore(context: typer.Context) -> None:
    """Restore a backup into a service without data; see --help for the options."""
    _exec("restore", context.args, ("sqlalchemy",), "service")


@app.command(context_settings=PASS_ARGUMENTS_ON, hidden=True)
def compact() -> None:
    """Say what has replaced this command of 0.2."""
    stderr.print(
        "zpruner compact was removed: `tar --zstd -cf OUT.tar.zst FOLDER` makes smaller files. "
        "zpruner expand still restores compact folders.",
        markup=False,
    )
    raise typer.Exit(USAGE)


@app.command(context_settings=PASS_ARGUMENTS_ON)
def expand(context: typer.Context) -> None:
    """Restore the folder that a compact one was made from; see --help for the options."""
    _exec("expand", context.args, FILES, "files")


@app.command(context_settings=PASS_ARGUMENTS_ON)
def certify(context: typer.Context) -> None:
    """Check which N:M patterns the matrices of a folder hold; see --help for the options."""
    _exec("certify", context.args, FILES, "files")


@part.command(context_settings=PASS_ARGUMENTS_ON)
def migrate(context: typer.Context) -> None:
    """Migrate the database to the current schema."""
    _exec("migrate", context.args, ("sqlalchemy",), "service")


@part.command(context_settings=PASS_ARGUMENTS_ON)
def sums(context: typer.Context) -> None:
    """Compare the daily sums of use with the jobs, and correct them."""
    _exec("sums", context.args, ("sqlalchemy",), "service")


@part.command(context_settings=PASS_ARGUMENTS_ON)
def api(context: typer.Context) -> None:
    """Serve the API; see --help for the options."""
    _exec("api", context.args, API, "api")


@part.command(context_settings=PASS_ARGUMENTS_ON)
def worker(context: typer.Context) -> None:
    """Run jobs from queues; see --help for the options."""
    _exec("worker", context.args, WORKER, "worker")


@part.command(context_settings=PASS_ARGUMENTS_ON)
def control(context: typer.Context) -> None:
    """Requeue, schedule and estimate jobs, send webhooks and results; a service has one."""
    _exec("control", context.args, WORKER, "worker")


@part.command(context_settings=PASS_ARGUMENTS_ON)
def ping(context: typer.Context) -> None:
    """Exit with 0 if the named process responds: a worker of this machine, or control."""
    _exec("ping", context.args, PING_NEEDS, "service")


def bootstrap(context: typer.Context) -> None:
    """Create a key in the database, by default for an admin; needs neither a service nor a key."""
    _exec("keys", context.args, ("sqlalchemy",), "service")


def _exec(program: str, given: Iterable[str], needs: Iterable[str], extra: str) -> NoReturn:
    """Replace this process with a program, if the packages that the program needs are installed."""
    if missing := [name for name in needs if find_spec(name) is None]:
        stderr.print(
            f"{', '.join(missing)} not installed: pip install 'zpruner[{extra}]'", markup=False
        )
        raise typer.Exit(USAGE)
    replace_process(program, *given)
