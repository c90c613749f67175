"""The command that has both models of a finished job continue a prompt."""

from typing import Annotated

import typer

from zpruner.cli.exit_codes import job_exit_code
from zpruner.cli.options import JobArgument, JsonOption, TimeoutOption
from zpruner.cli.terminal import connect, print_json, stderr, wait_for_end
from zpruner.client.models.trials import Trial


def try_prompt(
    job_id: JobArgument,
    prompt: Annotated[str, typer.Argument(help="The text that both models continue.")],
    max_tokens: Annotated[
        int | None, typer.Option(help="When a continuation ends; 64 tokens by default.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Draw the tokens with this seed, in place of the most likely ones."),
    ] = None,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the dense and the pruned model of a finished job continue a prompt, and print both.

    `zpruner cancel` with the printed id cancels the trial, which goes on after Ctrl-C.
    """
    with connect() as client:
        trial = client.jobs.create_trial(job_id, prompt, max_tokens=max_tokens, seed=seed)
        stderr.print(trial.id, markup=False)
        ended = wait_for_end(client, trial.id, timeout)
        trial = client.jobs.trial(job_id, trial.id)
    if as_json:
        print_json(trial.model_dump(mode="json"))
    else:
        _print(trial)
    raise typer.Exit(job_exit_code(ended))


def _print(trial: Trial) -> None:
    if trial.answer is None:
        reason = trial.status if trial.error is None else trial.error.detail
        stderr.print(f"not answered: {reason}", markup=False)
        return
    for name, text in (("dense", trial.answer.dense), ("pruned", trial.answer.pruned)):
        typer.echo(f"{name}: {trial.prompt}{text}")
