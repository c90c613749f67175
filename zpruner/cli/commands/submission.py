"""``zpruner submit``, whose options other commands take too."""

from typing import Annotated, Any

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.requests import request_of
from zpruner.cli.screen import preview_text
from zpruner.cli.terminal import follow, people, say, service
from zpruner.client.client import Client
from zpruner.client.job import Job

ModelArgument = Annotated[str, typer.Argument(help="A Hugging Face id, or local:FOLDER.")]
SparsityOption = Annotated[
    float | None, typer.Option(help="Share of weights to remove; implied by --pattern.")
]
PatternOption = Annotated[str | None, typer.Option(help="N:M, such as 2:4; implies the sparsity.")]
DatasetOption = Annotated[str, typer.Option(help="Calibration text.")]
TextFieldOption = Annotated[
    str | None, typer.Option(help="The field or column that holds the text, or chat messages.")
]
AllocationOption = Annotated[
    str | None, typer.Option(help="uniform, owl, or the sparsity of each block: 0.45,0.5,0.55.")
]
SkipOption = Annotated[list[str] | None, typer.Option(help="Glob of layers to leave alone.")]
LabelOption = Annotated[
    list[str] | None, typer.Option("--label", help="name=value, as often as needed.")
]
QueueOption = Annotated[str | None, typer.Option(help="A device class: which workers.")]
PriorityOption = Annotated[int | None, typer.Option(help="-10 to 10; higher is sooner.")]
GateMaxOption = Annotated[
    list[str] | None, typer.Option(help="A figure's upper bound: perplexity_ratio=1.1.")
]
GateMinOption = Annotated[
    list[str] | None, typer.Option(help="A figure's lower bound: sparsity=0.5.")
]
DeadlineOption = Annotated[str | None, typer.Option(help="Expire it then: 2027-01-05T18:00:00Z.")]
IdempotencyKeyOption = Annotated[
    str | None, typer.Option(help="The same submit with the same key makes one job.")
]
ReuseOption = Annotated[
    bool, typer.Option("--reuse", help="Take an identical job that has succeeded instead.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check only; submit nothing.")]
WaitOption = Annotated[bool, typer.Option(help="Follow the job until it ends.")]


def submit(
    model: ModelArgument,
    dataset: DatasetOption,
    sparsity: SparsityOption = None,
    revision: str | None = None,
    method: str | None = None,
    scope: str | None = None,
    pattern: PatternOption = None,
    solver: str | None = None,
    correction: float | None = None,
    damping: float | None = None,
    allocation: AllocationOption = None,
    skip: SkipOption = None,
    propagation: str | None = None,
    samples: int | None = None,
    seq_len: int | None = None,
    seed: int | None = None,
    dtype: str | None = None,
    text_field: TextFieldOption = None,
    eval_dataset: str | None = None,
    eval_text_field: TextFieldOption = None,
    eval_samples: int | None = None,
    name: str | None = None,
    label: LabelOption = None,
    queue: QueueOption = None,
    priority: PriorityOption = None,
    gate_max: GateMaxOption = None,
    gate_min: GateMinOption = None,
    deadline: DeadlineOption = None,
    idempotency_key: IdempotencyKeyOption = None,
    reuse: ReuseOption = False,
    dry_run: DryRunOption = False,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job; its id is printed."""
    # Read before anything else is bound: exactly the parameters above.
    request = request_of(locals())
    with service() as client:
        if dry_run:
            _preview(client, request, as_json)
            return
        job = create(client, request)
        if wait:
            people.print(job.id, markup=False)
            follow(client, job.id, None, as_json)
        say(job, as_json, lambda job: job.id)


def create(client: Client, request: dict[str, Any]) -> Job:
    """Submit a job, and tell people what the service warns of."""
    job = client.jobs.create(**request)
    for warning in job.warnings:
        people.print(f"warning: {warning}", markup=False)
    return job


def _preview(client: Client, request: dict[str, Any], as_json: bool) -> None:
    request.pop("idempotency_key", None)
    preview = client.jobs.preview(**request)
    say(preview, as_json, preview_text, [f"warning: {one}" for one in preview.warnings])
