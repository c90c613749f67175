"""The model, its texts, and the measurements that read more than these."""

from db.core.errors import SpecRefusedError
from db.spec.combinations.unfit import UNFIT
from db.spec.datasets.protocols import built_in
from db.spec.prune_spec import PruneSpec
from db.spec.references import LOCAL


def check_inputs(spec: PruneSpec) -> None:
    """Check the options that belong to the model, to a text, or to a measurement.

    Raises:
        SpecRefusedError: one of them has no effect, because what it belongs to is absent.
    """
    _check_model_secret(spec)
    _check_text_fields(spec)
    _check_task_limit(spec)
    _check_prompts(spec)


def _check_model_secret(spec: PruneSpec) -> None:
    if spec.model_secret is not None and spec.model.startswith(LOCAL):
        reason = "a local model needs no token of the hub"
        remedy = "Leave model_secret out."
        raise SpecRefusedError("model_secret", spec.model_secret, UNFIT, reason, remedy)


def _check_text_fields(spec: PruneSpec) -> None:
    choices = (
        ("text_field", spec.text_field, spec.dataset),
        ("keep_text_field", spec.keep_text_field, spec.keep_dataset),
        ("eval_text_field", spec.eval_text_field, spec.eval_dataset),
    )
    for name, value, dataset in choices:
        if value is None or (dataset is not None and built_in(dataset) is None):
            continue
        reason = f"{dataset} is built in and has no fields to choose from"
        if dataset is None:
            reason = f"the job names no {name.replace('text_field', 'dataset')}"
        raise SpecRefusedError(name, value, UNFIT, reason, f"Leave {name} out.")


def _check_task_limit(spec: PruneSpec) -> None:
    if spec.task_limit is not None and not spec.tasks:
        reason = "the job is measured on no task"
        raise SpecRefusedError(
            "task_limit", spec.task_limit, UNFIT, reason, "Name tasks, or leave task_limit out."
        )


def _check_prompts(spec: PruneSpec) -> None:
    if spec.prompts is not None and not spec.generate:
        reason = "the job generates no text"
        raise SpecRefusedError(
            "prompts",
            list(spec.prompts),
            UNFIT,
            reason,
            "Set generate to true, or leave prompts out.",
        )
