"""What can be known about a job's model and text before its row is written."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.services.hub import Hub, HubSilentError
from api.settings import ApiSettings
from api.submission.static_checks import LocalModel, passes_static_checks
from db.core.errors import SpecRefusedError
from db.files.file_check import check_file
from db.spec.checkpoint_headers import check_weights
from db.spec.combinations import check_combination
from db.spec.datafiles import DataFile
from db.spec.dimensions import check_dimensions
from db.spec.model_configs import check_configs
from db.spec.prune_spec import PruneSpec
from db.spec.references import (
    HubDataset,
    HubRepo,
    LocalPath,
    parse_dataset,
    parse_model,
    require_safetensors,
)


@dataclass(frozen=True)
class Sources:
    """The model and the texts of a job, as they were found.

    Attributes:
        warnings: what could not be checked, in words for the caller.
        model: the model in a local folder; None for one on the hub.
        texts: the local files of text, by field.
        is_silent: whether the model is on a hub that does not answer.
    """

    warnings: list[str]
    model: LocalModel | None
    texts: Mapping[str, DataFile]
    is_silent: bool

    def leave_open(self, spec: PruneSpec) -> bool:
        """Whether only who builds the model can say that a job is possible, and could do it."""
        if self.model is None:
            return not self.is_silent
        return not passes_static_checks(spec, self.model, self.texts)


class Preflight:
    """Looks before a job is accepted, as far as this side can see."""

    def __init__(self, settings: ApiSettings, hub: Hub) -> None:
        self._settings, self._hub = settings, hub

    def check(self, spec: PruneSpec) -> Sources:
        """Return what was found of the job's model and texts.

        Raises:
            SpecRefusedError: the worker could not use what a field names.
        """
        check_combination(spec)
        reference = parse_model(spec.model, spec.revision, self._settings.model_roots)
        model, silent = None, []
        if isinstance(reference, LocalPath):
            model = _local_model(reference)
        else:
            repo = reference
            silent = _unless_silent("model", spec.model, lambda: self._hub_model(spec.model, repo))
        warnings, texts = list(silent), {}
        for field, name, text_field in (
            ("dataset", spec.dataset, spec.text_field),
            ("eval_dataset", spec.eval_dataset, spec.eval_text_field),
        ):
            if name is not None:
                file, unchecked = self._dataset(field, name, text_field)
                warnings += unchecked
                if file is not None:
                    texts[field] = file
        return Sources(warnings, model, texts, bool(silent))

    def _hub_model(self, name: str, reference: HubRepo) -> None:
        files = self._hub.model_files(reference.id, reference.revision)
        require_safetensors(files, "model", name)

    def _dataset(
        self, field: str, name: str, text_field: str | None
    ) -> tuple[DataFile | None, list[str]]:
        """Return the local file that a dataset is, if it is one, and what was not checked."""
        settings = self._settings
        reference = parse_dataset(name, settings.dataset_roots, field, settings.upload_dir)
        if isinstance(reference, LocalPath):
            file = DataFile(reference.path, field, name, text_field)
            return file, check_file(file, "peek")
        if isinstance(reference, HubDataset):
            found = reference.id
            return None, _unless_silent(field, name, lambda: self._hub.find_dataset(field, found))
        return None, []


def _unless_silent(field: str, name: str, ask: Callable[[], None]) -> list[str]:
    try:
        ask()
    except HubSilentError as silent:
        return [f"{field} {name} was not checked: {silent}. The worker will look again."]
    return []


def _local_model(reference: LocalPath) -> LocalModel:
    """Read a folder's configuration and the headers of its weights, and no weight."""
    folder, name = reference.path, reference.name
    try:
        require_safetensors(os.listdir(folder), "model", name)
        config = check_configs(folder, name)
        shapes = check_weights(folder, name)
        check_dimensions(config, shapes, name)
        return LocalModel(config, frozenset(shapes))
    except OSError as error:
        raise SpecRefusedError(
            "model",
            name,
            "unreadable_model",
            f"its files cannot be read ({error.strerror})",
            "Name a folder with config.json and *.safetensors that the service may read.",
        ) from None
