"""The commands of ``zpruner webhooks``."""

from collections.abc import Sequence
from typing import Annotated

import typer

from zpruner.cli.options import GraceOption, JsonOption, LimitOption
from zpruner.cli.terminal import (
    connect,
    print_json,
    print_response,
    print_secret,
    print_table,
)
from zpruner.cli.text_table import Table
from zpruner.client.models.webhooks import Delivery, DeliveryAttempt, NewWebhook, Webhook

WebhookArgument = Annotated[str, typer.Argument(help="The id of a webhook: whk_…")]
DeliveryArgument = Annotated[str, typer.Argument(help="The id of a message: msg_…")]
EventOption = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        help="job.succeeded, job.queued, …; may be repeated. By default the four final states.",
    ),
]

DETAILS = {"body", "log"}
"""Fields that are set only when one message is requested by its id."""

app = typer.Typer(no_args_is_help=True, help="Notify URLs of events of jobs (admins only).")


@app.command()
def create(
    url: Annotated[str, typer.Argument(help="An https URL that responds with 2xx.")],
    event: EventOption = None,
    description: Annotated[str, typer.Option(help="A description to show in lists.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Create a webhook and print its secret, which is never shown again."""
    with connect() as client:
        made = client.webhooks.create(url, event, description=description)
    _print_secret(made, as_json)


@app.command(name="ls")
def list_webhooks(as_json: JsonOption = False) -> None:
    """List all webhooks, newest first."""
    with connect() as client:
        webhooks = client.webhooks.list()
    print_response(webhooks, as_json, _table)


@app.command()
def get(webhook_id: WebhookArgument, as_json: JsonOption = False) -> None:
    """Show one webhook."""
    with connect() as client:
        print_response(client.webhooks.get(webhook_id), as_json, _text)


@app.command()
def update(
    webhook_id: WebhookArgument,
    url: Annotated[str | None, typer.Option(help="The new URL.")] = None,
    event: EventOption = None,
    description: Annotated[str | None, typer.Option(help="A description to show in lists.")] = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Start or stop sending to it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the given fields of a webhook."""
    given = {"url": url, "events": event, "description": description, "enabled": enable}
    changes = {name: value for name, value in given.items() if value is not None}
    with connect() as client:
        print_response(client.webhooks.update(webhook_id, **changes), as_json, _text)


@app.command()
def rm(webhook_id: WebhookArgument) -> None:
    """Delete a webhook and its deliveries."""
    with connect() as client:
        client.webhooks.delete(webhook_id)


@app.command()
def rotate(
    webhook_id: WebhookArgument,
    grace_s: GraceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace a webhook's secret and print the new one."""
    with connect() as client:
        made = client.webhooks.rotate(webhook_id, grace_s=grace_s)
    _print_secret(made, as_json)


@app.command(name="test")
def send_test(webhook_id: WebhookArgument, as_json: JsonOption = False) -> None:
    """Send a test message and print its id."""
    with connect() as client:
        _print_id(client.webhooks.test(webhook_id), as_json)


@app.command()
def deliveries(
    webhook_id: WebhookArgument,
    delivery_id: Annotated[
        str | None, typer.Argument(help="Show this message with its body and attempts: msg_…")
    ] = None,
    status: Annotated[str | None, typer.Option(help="pending, delivered or failed.")] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List the messages to a webhook, newest first, or show one of them."""
    with connect() as client:
        if delivery_id is not None:
            _print_delivery(client.webhooks.delivery(webhook_id, delivery_id), as_json)
            return
        rows = client.webhooks.deliveries(webhook_id, status=status, limit=limit)
    if as_json:
        print_json([message.model_dump(mode="json", exclude=DETAILS) for message in rows])
    else:
        print_table(_deliveries_table(rows))


@app.command()
def redeliver(
    webhook_id: WebhookArgument, delivery_id: DeliveryArgument, as_json: JsonOption = False
) -> None:
    """Send a message again immediately and print its id."""
    with connect() as client:
        _print_id(client.webhooks.redeliver(webhook_id, delivery_id), as_json)


def _print_secret(made: NewWebhook, as_json: bool) -> None:
    note = f"{made.id} to {made.url}; store it, it is never shown again:"
    print_secret(made, made.secret, as_json, note)


def _print_id(delivery: Delivery, as_json: bool) -> None:
    if as_json:
        print_json(delivery.model_dump(mode="json", exclude=DETAILS))
    else:
        typer.echo(delivery.id)


def _print_delivery(delivery: Delivery, as_json: bool) -> None:
    notes = [
        f"{attempt.at:%F %T}: {_response(attempt)}, {attempt.seconds:g} s"
        for attempt in delivery.log
    ]
    notes.append(f"{delivery.status} after {delivery.attempts} attempts")
    print_response(delivery, as_json, lambda delivery: delivery.body or "", notes)


def _text(webhook: Webhook) -> str:
    lines = [f"{webhook.id} to {webhook.url}: {_state(webhook)}", " ".join(webhook.events)]
    return "\n  ".join([*lines, *filter(None, [webhook.description])])


def _table(webhooks: Sequence[Webhook]) -> Table:
    table = Table("id", "url", "events", "state", "description")
    for webhook in webhooks:
        table.add_row(
            webhook.id, webhook.url, " ".join(webhook.events), _state(webhook), webhook.description
        )
    return table


def _deliveries_table(deliveries: Sequence[Delivery]) -> Table:
    table = Table("id", "at", "type", "job", "status", "attempts", "last response")
    for message in deliveries:
        cells = (
            message.type,
            message.job_id or "",
            message.status,
            str(message.attempts),
            _response(message.last),
        )
        table.add_row(message.id, f"{message.created_at:%F %T}", *cells)
    return table


def _response(attempt: DeliveryAttempt | None) -> str:
    if attempt is None:
        return ""
    return " ".join(str(part) for part in (attempt.status, attempt.error) if part is not None)


def _state(webhook: Webhook) -> str:
    return "enabled" if webhook.enabled else f"disabled, {webhook.disabled_reason}"
