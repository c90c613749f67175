"""What is asked of ``zpruner prune``, judged before torch is imported: that alone takes seconds."""

import os
from pathlib import Path

from db.core.errors import SpecRefusedError
from db.spec.combinations import check_combination
from db.spec.prune_spec import PruneSpec
from db.spec.references import (
    LocalPath,
    ModelReference,
    parse_dataset,
    parse_model,
    require_safetensors,
)
from db.startup.checks import unwritable
from worker.jobs.resources import Resources, valid_device_name
from worker.standalone.partial_output import refuse_taken


def judge(spec: PruneSpec, out: Path | None, resources: Resources) -> None:
    """Refuse whatever can be known to be wrong without the engine.

    Args:
        spec: what to do.
        out: the folder to write; None where nothing is written.
        resources: what to do it with.

    Raises:
        SpecRefusedError: an argument cannot be used.
    """
    check_combination(spec)
    _judge_device(resources.device)
    model = parse_model(spec.model, spec.revision, resources.model_roots)
    if isinstance(model, LocalPath):
        require_safetensors(os.listdir(model.path), "model", spec.model)
    parse_dataset(spec.dataset, resources.dataset_roots)
    if spec.eval_dataset is not None:
        parse_dataset(spec.eval_dataset, resources.dataset_roots, "eval_dataset")
    if out is not None:
        _judge_out(out, model)


def _judge_device(name: str) -> None:
    try:
        valid_device_name(name)
    except ValueError as error:
        raise SpecRefusedError(
            "device", name, "unknown_device", str(error), "Name one of these."
        ) from None


def _judge_out(out: Path, model: ModelReference) -> None:
    if isinstance(model, LocalPath) and out.resolve().is_relative_to(model.path):
        raise _refused(out, "it lies in the model's own folder", "Name a folder outside of it.")
    refuse_taken(out)
    if why := unwritable(out.parent):
        reason, _, remedy = why.partition(". ")
        raise _refused(out, reason, remedy)


def _refused(out: Path, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError("out", str(out), "unusable_out", reason, remedy)
