"""``zpruner webhooks``: webhooks on the command line."""

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from zpruner.terminal import people, print_json, service
from zpruner.webhook_models import Delivery, DeliveryAttempt, NewWebhook, Webhook

JsonOption = Annotated[bool, typer.Option("--json", help="Print the service's answer as JSON.")]
WebhookArgument = Annotated[str, typer.Argument(help="A webhook's id: whk_…")]
DeliveryArgument = Annotated[str, typer.Argument(help="A message's id: msg_…")]
EventOption = Annotated[
    list[str] | None,
    typer.Option("--event", help="job.succeeded, job.queued, …; several. A job's four endings."),
]

app = typer.Typer(no_args_is_help=True, help="Have addresses told what happens to jobs (admins).")


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="An https address that answers 2xx.")],
    event: EventOption = None,
    description: Annotated[str, typer.Option(help="For whoever reads the list.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a webhook; its secret, which nothing shows again, is printed."""
    with service() as client:
        made = client.webhooks.create(url, event, description=description)
    _show(made, as_json)


@app.command(name="ls")
def list_webhooks(as_json: JsonOption = False) -> None:
    """List all webhooks, newest first."""
    with service() as client:
        webhooks = client.webhooks.list()
    if as_json:
        print_json([one.model_dump(mode="json") for one in webhooks])
        return
    table = Table(_id(), "url", "events", "state", "description", box=None)
    for one in webhooks:
        table.add_row(one.id, one.url, " ".join(one.events), _state(one), one.description)
    Console(soft_wrap=True).print(table)


@app.command()
def get(webhook_id: WebhookArgument, as_json: JsonOption = False) -> None:
    """Show one webhook."""
    with service() as client:
        _say(client.webhooks.get(webhook_id), as_json)


@app.command()
def update(
    webhook_id: WebhookArgument,
    url: Annotated[str | None, typer.Option(help="Where it points from now on.")] = None,
    event: EventOption = None,
    description: Annotated[str | None, typer.Option(help="For whoever reads the list.")] = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Send to it, or nothing for a while.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given, and nothing else."""
    given = {"url": url, "events": event, "description": description, "enabled": enable}
    changes = {name: value for name, value in given.items() if value is not None}
    with service() as client:
        _say(client.webhooks.update(webhook_id, **changes), as_json)


@app.command()
def rm(webhook_id: WebhookArgument) -> None:
    """Delete a webhook with all its deliveries."""
    with service() as client:
        client.webhooks.delete(webhook_id)


@app.command()
def rotate(
    webhook_id: WebhookArgument,
    grace_s: Annotated[
        int | None, typer.Option(help="Seconds for which the old secret signs, too; a day.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a webhook a new secret, which is printed."""
    with service() as client:
        made = client.webhooks.rotate(webhook_id, grace_s=grace_s)
    _show(made, as_json)
    if made.former_until is not None:
        people.print(f"the old one signs until {_when(made.former_until)}", markup=False)


@app.command(name="test")
def send_test(webhook_id: WebhookArgument, as_json: JsonOption = False) -> None:
    """Send a message that only has to arrive; its id is printed."""
    with service() as client:
        _queued(client.webhooks.test(webhook_id), as_json)


@app.command()
def deliveries(
    webhook_id: WebhookArgument,
    delivery_id: Annotated[
        str | None, typer.Argument(help="One message, with its body and its attempts: msg_…")
    ] = None,
    status: Annotated[str | None, typer.Option(help="pending, delivered or failed.")] = None,
    limit: int = 20,
    as_json: JsonOption = False,
) -> None:
    """List what went out or is to go out, newest first; or show one message."""
    with service() as client:
        if delivery_id is not None:
            _tell(client.webhooks.delivery(webhook_id, delivery_id), as_json)
            return
        found = client.webhooks.deliveries(webhook_id, status=status, limit=limit)
    if as_json:
        print_json([one.model_dump(mode="json", exclude={"body", "log"}) for one in found])
        return
    table = Table(_id(), "at", "type", "job", "status", "attempts", "last answer", box=None)
    for one in found:
        told = (one.type, one.job_id or "", one.status, str(one.attempts), _answer(one.last))
        table.add_row(one.id, _when(one.created_at), *told)
    Console(soft_wrap=True).print(table)


@app.command()
def redeliver(
    webhook_id: WebhookArgument, delivery_id: DeliveryArgument, as_json: JsonOption = False
) -> None:
    """Send a message again at once; its id is printed."""
    with service() as client:
        _queued(client.webhooks.redeliver(webhook_id, delivery_id), as_json)


def _show(made: NewWebhook, as_json: bool) -> None:
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    people.print(f"{made.id} to {made.url}; keep it, nothing shows it again:", markup=False)
    typer.echo(made.secret)


def _say(webhook: Webhook, as_json: bool) -> None:
    if as_json:
        print_json(webhook.model_dump(mode="json"))
        return
    lines = [f"{webhook.id} to {webhook.url}: {_state(webhook)}", " ".join(webhook.events)]
    typer.echo("\n  ".join([*lines, *filter(None, [webhook.description])]))


def _queued(delivery: Delivery, as_json: bool) -> None:
    if as_json:
        print_json(delivery.model_dump(mode="json", exclude={"body", "log"}))
    else:
        typer.echo(delivery.id)


def _tell(delivery: Delivery, as_json: bool) -> None:
    if as_json:
        print_json(delivery.model_dump(mode="json"))
        return
    for one in delivery.log:
        people.print(f"{_when(one.at)}: {_answer(one)}, {one.seconds:g} s", markup=False)
    people.print(f"{delivery.status} after {delivery.attempts} attempts", markup=False)
    typer.echo(delivery.body)


def _id() -> Column:
    """Return a column for what other commands are given: whole, however narrow it gets."""
    return Column("id", no_wrap=True)


def _answer(attempt: DeliveryAttempt | None) -> str:
    if attempt is None:
        return ""
    return " ".join(str(part) for part in (attempt.status, attempt.error) if part is not None)


def _state(webhook: Webhook) -> str:
    return "enabled" if webhook.enabled else f"disabled, {webhook.disabled_reason}"


def _when(moment: datetime) -> str:
    return f"{moment:%F %T}"
