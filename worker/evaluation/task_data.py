"""The data sets of tasks, loaded with the operator's token of the hub."""

from typing import Any

from lm_eval.api.task import ConfigurableTask

from db.core.operator_keys import kept_hub_token

_download = ConfigurableTask.download


def give_hub_token() -> None:
    """Make the harness load data sets with the token, which it would look for in the environment.

    The token is given to the call only, because the harness shows the fields of a task.
    """
    ConfigurableTask.download = _download_with_token


def _download_with_token(
    task: ConfigurableTask, dataset_kwargs: dict[str, Any] | None = None, **others: Any
) -> None:
    token = kept_hub_token()
    given = {} if token is None else {"token": token}
    _download(task, {**(dataset_kwargs or {}), **given}, **others)
