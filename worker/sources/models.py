"""Models: a folder of safetensors with its config, from the hub or from this machine."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from shutil import copyfile

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils.tqdm import disable_progress_bars

from db.spec.checkpoint_headers import INDEX, check_weights, index_bytes, weight_files
from db.spec.dimensions import check_dimensions
from db.spec.model_configs import CONFIGS, check_configs
from db.spec.references import HubRepo, LocalPath, ModelReference, require_safetensors
from db.spec.refusals import refused
from worker.sources import hub_errors
from worker.sources.header_only import fetch_hollow
from worker.sources.model_files import check_sizes, check_total, is_needed, require_space


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk that was found fit to be read.

    Attributes:
        path: the folder.
        name: what the caller named it.
        revision: the commit it was pinned to; None for a local folder.
    """

    path: Path
    name: str
    revision: str | None = None


def fetch_model(reference: ModelReference) -> ModelFolder:
    """Bring a model to this machine and look at everything that can be wrong with its files.

    No weight is loaded and no code of the repository runs. A download that broke goes on where
    it stopped: inside a file while this call lasts, file by file from one call to the next.

    Args:
        reference: what ``parse_model`` returned.

    Raises:
        SpecRefusedError: the model cannot be had, or must not be used.
    """
    match reference:
        case LocalPath(path, name):
            return _checked(ModelFolder(path, name))
        case HubRepo():
            return _checked(_download(_Repo(reference)))


def fetch_outline(
    reference: ModelReference, scratch: Path, *, with_tokenizer: bool = False
) -> ModelFolder:
    """Bring what describes a model to this machine: its configuration and its weights' headers.

    Of a repository that was downloaded before, or a local folder, the files themselves serve.

    Args:
        reference: what ``parse_model`` returned.
        scratch: an empty folder for files that have no weights in them.
        with_tokenizer: whether its tokenizer is needed, too.

    Raises:
        SpecRefusedError: the model cannot be had, or must not be used.
    """
    match reference:
        case LocalPath(path, name):
            return _checked(ModelFolder(path, name))
        case HubRepo():
            return _checked(_outlined(_Repo(reference), scratch, with_tokenizer))


@dataclass(frozen=True)
class _Repo:
    reference: HubRepo

    def files(self) -> tuple[str, dict[str, int]]:
        """Return the commit that the revision is now, and its top files with their sizes."""
        asked, wanted = self.reference.id, self.reference.revision
        with hub_errors.refusals("model", asked, wanted):
            try:
                info = HfApi().model_info(
                    asked, revision=wanted, timeout=hub_errors.LOOKUP_TIMEOUT_S, files_metadata=True
                )
            except OfflineModeIsEnabled:
                return self._cached_files()
        if info.sha is None:
            raise refused(asked, "hub_unreachable", "the hub told no commit", hub_errors.RETRY)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        return info.sha, {name: size for name, size in sizes.items() if "/" not in name}

    def get(self, commit: str, names: Sequence[str]) -> Path:
        """Download the named files of a commit; those already here are not asked for again."""
        with hub_errors.refusals("model", self.reference.id, self.reference.revision):
            return self._snapshot(commit, [escape(name) for name in names])

    def remember(self) -> None:
        """Note in the cache what the revision leads to, for an operator who then goes offline."""
        with hub_errors.refusals("model", self.reference.id, self.reference.revision):
            self._snapshot(self.reference.revision, ["config.json"])

    def _snapshot(
        self, revision: str | None, names: list[str], *, local_files_only: bool = False
    ) -> Path:
        disable_progress_bars()
        folder = snapshot_download(
            self.reference.id,
            revision=revision,
            allow_patterns=names,
            local_files_only=local_files_only,
        )
        return Path(folder)

    def _cached_files(self) -> tuple[str, dict[str, int]]:
        """Answer from the cache: the operator set HF_HUB_OFFLINE."""
        wanted = self.reference.revision
        folder = self._snapshot(wanted, ["config.json"], local_files_only=True)
        return folder.name, {entry.name: entry.stat().st_size for entry in folder.iterdir()}


def _download(repo: _Repo) -> ModelFolder:
    """Get the small files first: most refusals need no weights."""
    name = repo.reference.id
    commit, sizes = repo.files()
    require_safetensors(sizes, "model", name)
    folder = repo.get(commit, _small(sizes, name))
    check_dimensions(check_configs(folder, name), {}, name)
    weights = {file: sizes[file] for file in weight_files(folder, name, sizes)}
    check_total(weights, index_bytes(folder, weights), name)
    require_space(folder, weights, os.listdir(folder))
    repo.get(commit, list(weights))
    repo.remember()
    return ModelFolder(folder, name, commit)


def _outlined(repo: _Repo, scratch: Path, with_tokenizer: bool) -> ModelFolder:
    name = repo.reference.id
    commit, sizes = repo.files()
    require_safetensors(sizes, "model", name)
    small = _small(sizes, name)
    if not with_tokenizer:
        small = [file for file in small if file in {*CONFIGS, INDEX}]
    folder = repo.get(commit, small)
    check_configs(folder, name)
    weights = weight_files(folder, name, sizes)
    if not all((folder / file).is_file() for file in weights):
        for file in small:
            copyfile(folder / file, scratch / file)
        with hub_errors.refusals("model", name, repo.reference.revision):
            fetch_hollow(name, commit, weights, scratch)
        folder = scratch
    return ModelFolder(folder, name, commit)


def _small(sizes: Mapping[str, int], name: str) -> list[str]:
    """Return the files beside the weights that are needed; all have a size that can be real."""
    small = {file: size for file, size in sizes.items() if file == INDEX or is_needed(file)}
    check_sizes(small, name)
    return list(small)


def _checked(model: ModelFolder) -> ModelFolder:
    try:
        require_safetensors(os.listdir(model.path), "model", model.name)
        config = check_configs(model.path, model.name)
        check_dimensions(config, check_weights(model.path, model.name), model.name)
    except OSError as error:
        raise refused(
            model.name,
            "unreadable_model",
            f"its files cannot be read ({error.strerror})",
            "Give the worker the right to read them, or name another model.",
        ) from error
    return model
