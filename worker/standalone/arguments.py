"""Checks of ``zpruner prune``'s arguments, made before the import of torch, which takes seconds."""

import os
from pathlib import Path

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.evaluation.question_checks import check_questions
from db.spec.evaluation.question_files import question_files
from db.spec.inputs.references import (
    LocalPath,
    ModelReference,
    parse_dataset,
    parse_model,
    require_safetensors,
)
from db.spec.prune_spec import PruneSpec, named_texts
from db.startup.checks import unwritable
from worker.jobs.resources import Resources, valid_device_name
from worker.standalone.partial_output import require_new_folder


def check_arguments(spec: PruneSpec, out: Path | None, resources: Resources) -> None:
    """Check the specification, the device and the output folder, without the engine.

    Args:
        spec: the specification.
        out: the folder to write; None if nothing is written.
        resources: folders and devices that the command may use.

    Raises:
        SpecRefusedError: an argument cannot be used.
    """
    check_combination(spec)
    _check_device(resources.device)
    model = parse_model(spec.model, spec.revision, resources.model_roots)
    if isinstance(model, LocalPath):
        require_safetensors(os.listdir(model.path), "model", spec.model)
    for field, name, _ in named_texts(spec):
        parse_dataset(name, resources.dataset_roots, field)
    for file in question_files(spec, resources.dataset_roots, resources.uploads):
        check_questions(file)
    if out is not None:
        _check_out(out, model)


def _check_device(name: str) -> None:
    try:
        valid_device_name(name)
    except ValueError as error:
        raise SpecRefusedError(
            "device", name, "unknown_device", str(error), "Use one of these."
        ) from None


def _check_out(out: Path, model: ModelReference) -> None:
    if isinstance(model, LocalPath) and out.resolve().is_relative_to(model.path):
        raise _refused(out, "it is inside the model's folder", "Name a folder outside it.")
    require_new_folder(out)
    if error := unwritable(out.parent):
        reason, _, remedy = error.partition(". ")
        raise _refused(out, reason, remedy)


def _refused(out: Path, reason: str, remedy: str) -> SpecRefusedError:
    return SpecRefusedError("out", str(out), "unusable_out", reason, remedy)
