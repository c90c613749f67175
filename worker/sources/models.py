"""Models from the hub, from a bucket, or from a local folder."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from shutil import copyfile
from typing import Self

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils.tqdm import disable_progress_bars

from db.core.operator_keys import kept_hub_token
from db.core.refusals import refused
from db.spec.checkpoint_headers import check_weights, index_bytes, weight_files
from db.spec.dimensions import check_dimensions
from db.spec.inputs.bucket_references import S3Folder
from db.spec.inputs.references import HubRepo, LocalPath, ModelReference, require_safetensors
from db.spec.model_configs import CONFIGS, check_configs
from worker.sources import hub_errors
from worker.sources.buckets.models import copy_model, outline_model
from worker.sources.header_only import fetch_headers
from worker.sources.model_files import check_total, require_space, small_files
from zpruner.files.weight_files import INDEX


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk whose files were checked.

    Attributes:
        path: the folder.
        name: the model's name in the specification.
        revision: its commit; None for a folder.
    """

    path: Path
    name: str
    revision: str | None = None


def fetch_model(
    reference: ModelReference, secret: str | None = None, *, may_be_scaled: bool = False
) -> ModelFolder:
    """Return a model's folder after checking the files; remote ones are downloaded to a cache.

    No weight is loaded, and no code of the repository runs. If the connection breaks, this call
    resumes the download within the file, or, of a bucket, within a few megabytes. A later call
    downloads incomplete files from their beginning.

    Args:
        reference: the model, as returned by ``parse_model``.
        secret: the hub's token, or the bucket's access key; None for the operator's.
        may_be_scaled: whether weights of 8-bit floats with scales of blocks are accepted.

    Raises:
        SpecRefusedError: the model cannot be downloaded, or its files are not acceptable.
        OSError: the disk has too little space.
    """
    match reference:
        case LocalPath(path, name):
            return _checked(ModelFolder(path, name), may_be_scaled)
        case HubRepo():
            return _checked(_download(_Repo.of(reference, secret), may_be_scaled), may_be_scaled)
        case S3Folder(name=name):
            folder = copy_model(reference, secret, may_be_scaled=may_be_scaled)
            return _checked(ModelFolder(folder, name), may_be_scaled)


def fetch_outline(
    reference: ModelReference,
    scratch: Path,
    *,
    with_tokenizer: bool = False,
    secret: str | None = None,
    may_be_scaled: bool = False,
) -> ModelFolder:
    """Return a folder with a model's configuration and the headers of its weight files.

    A local folder is returned itself. For a repository of the hub whose weights were downloaded
    before, its folder in the cache is returned. For any other model, ``scratch`` is filled and
    returned.

    Args:
        reference: the model, as returned by ``parse_model``.
        scratch: an empty folder.
        with_tokenizer: whether to download the tokenizer, too.
        secret: the hub's token, or the bucket's access key; None for the operator's.
        may_be_scaled: whether weights of 8-bit floats with scales of blocks are accepted.

    Raises:
        SpecRefusedError: the model cannot be downloaded, or its files are not acceptable.
    """
    match reference:
        case LocalPath(path, name):
            return _checked(ModelFolder(path, name), may_be_scaled)
        case HubRepo():
            repo = _Repo.of(reference, secret)
            model = _outlined(repo, scratch, with_tokenizer, may_be_scaled)
            return _checked(model, may_be_scaled)
        case S3Folder(name=name):
            asked = {"with_tokenizer": with_tokenizer, "may_be_scaled": may_be_scaled}
            outline_model(reference, secret, scratch, **asked)
            return _checked(ModelFolder(scratch, name), may_be_scaled)


@dataclass(frozen=True)
class _Repo:
    reference: HubRepo
    token: str | None = field(repr=False)

    @classmethod
    def of(cls, reference: HubRepo, secret: str | None) -> Self:
        """Return a repository that is read with the caller's token, or else the operator's."""
        return cls(reference, kept_hub_token() if secret is None else secret)

    def files(self) -> tuple[str, dict[str, int]]:
        """Return the revision's commit, and the sizes of its top-level files."""
        name, revision = self.reference.id, self.reference.revision
        with hub_errors.refusals("model", name, revision):
            try:
                info = HfApi().model_info(
                    name,
                    revision=revision,
                    timeout=hub_errors.LOOKUP_TIMEOUT_S,
                    files_metadata=True,
                    token=self.token,
                )
            except OfflineModeIsEnabled:
                return self._cached_files()
        if info.sha is None:
            raise refused(name, "hub_unreachable", "the hub returned no commit", hub_errors.RETRY)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        return info.sha, {name: size for name, size in sizes.items() if "/" not in name}

    def get(self, commit: str, names: Sequence[str]) -> Path:
        """Download the named files of a commit unless they are cached; return their folder."""
        with hub_errors.refusals("model", self.reference.id, self.reference.revision):
            return self._snapshot(commit, [escape(name) for name in names])

    def remember(self) -> None:
        """Store the revision's commit in the cache, for later runs without a network."""
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
            token=self.token,
        )
        return Path(folder)

    def _cached_files(self) -> tuple[str, dict[str, int]]:
        """Return what `files` returns, but from the cache; called if HF_HUB_OFFLINE is set."""
        wanted = self.reference.revision
        folder = self._snapshot(wanted, ["config.json"], local_files_only=True)
        return folder.name, {entry.name: entry.stat().st_size for entry in folder.iterdir()}


def _download(repo: _Repo, may_be_scaled: bool) -> ModelFolder:
    """Download a model, the weights last: most unusable models are refused without them."""
    name = repo.reference.id
    commit, sizes = repo.files()
    require_safetensors(sizes, "model", name)
    folder = repo.get(commit, small_files(sizes, name))
    check_dimensions(check_configs(folder, name, may_be_scaled=may_be_scaled), {}, name)
    weights = {file: sizes[file] for file in weight_files(folder, name, sizes)}
    check_total(weights, index_bytes(folder, weights), name)
    require_space(folder, weights, os.listdir(folder))
    repo.get(commit, list(weights))
    repo.remember()
    return ModelFolder(folder, name, commit)


def _outlined(repo: _Repo, scratch: Path, with_tokenizer: bool, may_be_scaled: bool) -> ModelFolder:
    name = repo.reference.id
    commit, sizes = repo.files()
    require_safetensors(sizes, "model", name)
    small = small_files(sizes, name)
    if not with_tokenizer:
        small = [file for file in small if file in {*CONFIGS, INDEX}]
    folder = repo.get(commit, small)
    check_configs(folder, name, may_be_scaled=may_be_scaled)
    weights = weight_files(folder, name, sizes)
    if not all((folder / file).is_file() for file in weights):
        for file in small:
            copyfile(folder / file, scratch / file)
        with hub_errors.refusals("model", name, repo.reference.revision):
            fetch_headers(name, commit, weights, scratch, repo.token)
        folder = scratch
    return ModelFolder(folder, name, commit)


def _checked(model: ModelFolder, may_be_scaled: bool) -> ModelFolder:
    try:
        require_safetensors(os.listdir(model.path), "model", model.name)
        config = check_configs(model.path, model.name, may_be_scaled=may_be_scaled)
        shapes = check_weights(model.path, model.name, may_be_scaled=may_be_scaled)
        check_dimensions(config, shapes, model.name)
    except OSError as error:
        raise refused(
            model.name,
            "unreadable_model",
            f"its files cannot be read ({error.strerror})",
            "Give the worker the right to read them, or name another model.",
        ) from error
    return model
