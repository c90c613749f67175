"""``zpruner webhooks``: webhooks on the command line."""

from collections.abc import Sequence
from typing import Annotated

import typer

from zpruner.cli.options import JsonOption
from zpruner.cli.rows import Table
from zpruner.cli.terminal import people, print_json, print_table, say, service
from zpruner.client.models.webhooks import Delivery, DeliveryAttempt, NewWebhook, Webhook

WebhookArgument = Annotated[str, typer.Argument(help="A webhook's id: whk_…")]
DeliveryArgument = Annotated[str, typer.Argument(help="A message's id: msg_…")]
EventOption = Annotated[
    list[str] | None,
    typer.Option("--event", help="job.succeeded, job.queued, …; several. A job's four endings."),
]

ABSENT = {"body", "log"}
"""Fields of a message that come only where it is asked for alone."""

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
    _say_secret(made, as_json)


@app.command(name="ls")
def list_webhooks(as_json: JsonOption = False) -> None:
    """List all webhooks, newest first."""
    with service() as client:
        webhooks = client.webhooks.list()
    say(webhooks, as_json, _table)


@app.command()
def get(webhook_id: WebhookArgument, as_json: JsonOption = False) -> None:
    """Show one webhook."""
    with service() as client:
        say(client.webhooks.get(webhook_id), as_json, _text)


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
        say(client.webhooks.update(webhook_id, **changes), as_json, _text)


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
    _say_secret(made, as_json)
    if made.former_until is not None:
        people.print(f"the old one signs until {made.former_until:%F %T}", markup=False)


@app.command(name="test")
def send_test(webhook_id: WebhookArgument, as_json: JsonOption = False) -> None:
    """Send a message that only has to arrive; its id is printed."""
    with service() as client:
        _say_queued(client.webhooks.test(webhook_id), as_json)


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
            _say_delivery(client.webhooks.delivery(webhook_id, delivery_id), as_json)
            return
        found = client.webhooks.deliveries(webhook_id, status=status, limit=limit)
    if as_json:
        print_json([one.model_dump(mode="json", exclude=ABSENT) for one in found])
    else:
        print_table(_deliveries_table(found))


@app.command()
def redeliver(
    webhook_id: WebhookArgument, delivery_id: DeliveryArgument, as_json: JsonOption = False
) -> None:
    """Send a message again at once; its id is printed."""
    with service() as client:
        _say_queued(client.webhooks.redeliver(webhook_id, delivery_id), as_json)


def _say_secret(made: NewWebhook, as_json: bool) -> None:
    note = f"{made.id} to {made.url}; keep it, nothing shows it again:"
    say(made, as_json, lambda made: made.secret, [note])


def _say_queued(delivery: Delivery, as_json: bool) -> None:
    if as_json:
        print_json(delivery.model_dump(mode="json", exclude=ABSENT))
    else:
        typer.echo(delivery.id)


def _say_delivery(delivery: Delivery, as_json: bool) -> None:
    notes = [f"{one.at:%F %T}: {_answer(one)}, {one.seconds:g} s" for one in delivery.log]
    notes.append(f"{delivery.status} after {delivery.attempts} attempts")
    say(delivery, as_json, lambda delivery: delivery.body or "", notes)


def _text(webhook: Webhook) -> str:
    lines = [f"{webhook.id} to {webhook.url}: {_state(webhook)}", " ".join(webhook.events)]
    return "\n  ".join([*lines, *filter(None, [webhook.description])])


def _table(webhooks: Sequence[Webhook]) -> Table:
    table = Table("id", "url", "events", "state", "description")
    for one in webhooks:
        table.add_row(one.id, one.url, " ".join(one.events), _state(one), one.description)
    return table


def _deliveries_table(deliveries: Sequence[Delivery]) -> Table:
    table = Table("id", "at", "type", "job", "status", "attempts", "last answer")
    for one in deliveries:
        told = (one.type, one.job_id or "", one.status, str(one.attempts), _answer(one.last))
        table.add_row(one.id, f"{one.created_at:%F %T}", *told)
    return table


def _answer(attempt: DeliveryAttempt | None) -> str:
    if attempt is None:
        return ""
    return " ".join(str(part) for part in (attempt.status, attempt.error) if part is not None)


def _state(webhook: Webhook) -> str:
    return "enabled" if webhook.enabled else f"disabled, {webhook.disabled_reason}"
