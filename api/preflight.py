"""What can be known about a job's model and text before its row is written."""

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from api.hub import Hub, HubSilentError
from api.settings import ApiSettings
from db.combinations import check_combination
from db.datafiles import DataFile
from db.errors import SpecRefusedError
from db.references import (
    HubDataset,
    HubRepo,
    LocalPath,
    parse_dataset,
    parse_model,
    require_safetensors,
)
from db.spec import PruneSpec
from db.uploads import UPLOADED

PEEKED_ROWS = 100
"""How much of a JSONL file is looked at; the worker reads it all."""


class Preflight:
    """Looks before a job is accepted, as far as this side can see."""

    def __init__(self, settings: ApiSettings, hub: Hub) -> None:
        self._settings, self._hub = settings, hub

    def check(self, spec: PruneSpec) -> list[str]:
        """Return what could not be checked, in words for the caller.

        Raises:
            SpecRefusedError: the worker could not use what a field names.
        """
        check_combination(spec)
        warnings = self._model(spec.model, spec.revision)
        warnings += self._dataset("dataset", spec.dataset)
        if spec.eval_dataset is not None:
            warnings += self._dataset("eval_dataset", spec.eval_dataset)
        return warnings

    def _model(self, name: str, revision: str | None) -> list[str]:
        reference = parse_model(name, revision, self._settings.model_roots)
        if isinstance(reference, LocalPath):
            require_safetensors(_names(name, reference.path), "model", name)
            return []
        return _unless_silent("model", name, lambda: self._hub_model(name, reference))

    def _hub_model(self, name: str, reference: HubRepo) -> None:
        files = self._hub.model_files(reference.id, reference.revision)
        require_safetensors(files, "model", name)

    def _dataset(self, field: str, name: str) -> list[str]:
        settings = self._settings
        reference = parse_dataset(name, settings.dataset_roots, field, settings.upload_dir)
        if isinstance(reference, LocalPath) and not name.startswith(UPLOADED):
            _peek(DataFile(reference.path, field, name))
        if isinstance(reference, HubDataset):
            return _unless_silent(field, name, lambda: self._hub.find_dataset(field, reference.id))
        return []


def _unless_silent(field: str, name: str, ask: Callable[[], None]) -> list[str]:
    try:
        ask()
    except HubSilentError as silent:
        return [f"{field} {name} was not checked: {silent}. The worker will look again."]
    return []


def _names(name: str, folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise SpecRefusedError(
            "model",
            name,
            "unreadable_model",
            f"the folder cannot be read ({error.strerror})",
            "Name a folder with config.json and *.safetensors that the service may read.",
        ) from None


def _peek(file: DataFile) -> None:
    """Read the beginning of a text, which shows most of what can be wrong with it."""
    for _ in islice(file.rows(), PEEKED_ROWS):
        pass
