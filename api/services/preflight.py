"""Checks of a job's model and datasets before the job is created."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from api.services.hub import Hub, HubUnreachableError
from api.settings import ApiSettings
from api.submission.static_checks import LocalModel, passes_static_checks
from db.access.caller_secrets import read_hub_token, require_secret
from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.files.fetched_uploads import fetch_uploads
from db.files.file_check import check_file
from db.spec.checkpoint_headers import check_weights
from db.spec.combinations import check_combination
from db.spec.datasets.files import DataFile
from db.spec.datasets.upload_store import UploadStore
from db.spec.dimensions import check_dimensions
from db.spec.evaluation.question_files import question_files
from db.spec.model_configs import check_configs
from db.spec.outputs.allowed import check_targets
from db.spec.outputs.targets import Target
from db.spec.prune_spec import PruneSpec
from db.spec.references import (
    HubDataset,
    HubRepo,
    LocalPath,
    parse_dataset,
    parse_model,
    require_safetensors,
)

CHECK = "check of a request"
"""What the audit log says that a secret was used for."""


@dataclass(frozen=True)
class CheckedSources:
    """The model and the datasets of a job after they were checked.

    Attributes:
        warnings: texts for the caller, such as one for each check that was not possible.
        model: the model if it is in a local folder; None if it is on the hub.
        texts: the local dataset files, keyed by the field that names them.
        hub_is_unreachable: whether the model is on a hub that does not respond.
    """

    warnings: list[str]
    model: LocalModel | None
    texts: Mapping[str, DataFile]
    hub_is_unreachable: bool

    def need_planner(self, spec: PruneSpec) -> bool:
        """Whether only the planner, which builds the model, can decide whether a job can run."""
        if self.model is None:
            return not self.hub_is_unreachable
        return not passes_static_checks(spec, self.model, self.texts)


class Preflight:
    """Checks jobs as far as this is possible without torch."""

    def __init__(
        self, settings: ApiSettings, hub: Hub, sessions: Sessions, uploads: UploadStore
    ) -> None:
        self._settings, self._hub, self._sessions = settings, hub, sessions
        self._uploads = uploads

    def check(self, spec: PruneSpec, key_id: str | None) -> CheckedSources:
        """Check a job's model, datasets and settings; return the model and the datasets.

        ``key_id`` is the API key that the job counts against, whose secrets it can use.

        Raises:
            SpecRefusedError: a worker could not use the value of a field.
        """
        check_combination(spec)
        self.check_outputs(spec.output, key_id)
        fetch_uploads(self._sessions, self._uploads, spec)
        reference = parse_model(spec.model, spec.revision, self._settings.model_roots)
        model, unreachable = None, []
        if isinstance(reference, LocalPath):
            model = _local_model(reference)
        else:
            repo = reference
            token = read_hub_token(self._sessions, self._settings, spec, key_id, CHECK)
            unreachable = _check_on_hub(
                "model", spec.model, lambda: self._hub_model(spec.model, repo, token)
            )
        warnings, texts = list(unreachable), {}
        for field, name, text_field in (
            ("dataset", spec.dataset, spec.text_field),
            ("eval_dataset", spec.eval_dataset, spec.eval_text_field),
        ):
            if name is not None:
                file, unchecked = self._dataset(field, name, text_field)
                warnings += unchecked
                if file is not None:
                    texts[field] = file
        settings = self._settings
        # Only a worker knows the tasks that are no datasets.
        for questions in question_files(spec, settings.dataset_roots, settings.upload_dir):
            check_file(questions, "questions")
        return CheckedSources(warnings, model, texts, bool(unreachable))

    def check_outputs(self, targets: Sequence[Target], key_id: str | None) -> None:
        """Check that the operator allows the targets, and that the key has their secrets.

        Raises:
            SpecRefusedError: a target is not allowed, or has a secret that does not exist.
        """
        check_targets(targets, self._settings.output_urls)
        if targets:
            with self._sessions() as session:
                for index, target in enumerate(targets):
                    require_secret(session, target.secret, key_id, f"output.{index}.secret")

    def _hub_model(self, name: str, reference: HubRepo, token: str | None) -> None:
        files = self._hub.model_files(reference.id, reference.revision, token)
        require_safetensors(files, "model", name)

    def _dataset(
        self, field: str, name: str, text_field: str | None
    ) -> tuple[DataFile | None, list[str]]:
        """Check a dataset; return its file (None unless it is local) and a list of warnings."""
        settings = self._settings
        reference = parse_dataset(name, settings.dataset_roots, field, settings.upload_dir)
        if isinstance(reference, LocalPath):
            file = DataFile(reference.path, field, name, text_field)
            return file, check_file(file, "peek")
        if isinstance(reference, HubDataset):
            repo = reference.id
            return None, _check_on_hub(field, name, lambda: self._hub.find_dataset(field, repo))
        return None, []


def _check_on_hub(field: str, name: str, check: Callable[[], None]) -> list[str]:
    """Run a check; return a warning if the hub does not respond."""
    try:
        check()
    except HubUnreachableError as error:
        return [f"{field} {name} was not checked: {error}. The worker will check it."]
    return []


def _local_model(reference: LocalPath) -> LocalModel:
    """Read a local model's configuration and the headers of its weight files, but no weights."""
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
