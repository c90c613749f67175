"""Models from the hub: their lists of files, and downloads to the hub's cache."""

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
from db.spec.checkpoint_headers import index_bytes, weight_files
from db.spec.dimensions import check_dimensions
from db.spec.inputs.references import HubRepo, require_safetensors
from db.spec.model_configs import CONFIGS, check_configs
from worker.sources import hub_errors
from worker.sources.header_only import fetch_headers
from worker.sources.model_files import check_total, require_space, small_files
from zpruner.files.weight_files import INDEX


@dataclass(frozen=True)
class HubModel:
    """A model's repository on the hub, and the token that it is read with."""

    reference: HubRepo
    token: str | None = field(repr=False)

    @classmethod
    def of(cls, reference: HubRepo, secret: str | None) -> Self:
        """Return a repository that is read with the caller's token, or else the operator's."""
        return cls(reference, kept_hub_token() if secret is None else secret)

    def download(self, *, may_be_scaled: bool) -> tuple[Path, str]:
        """Download the files, the weights last: most unusable models are refused without them.

        Returns:
            Their folder in the cache, and the revision's commit.
        """
        name = self.reference.id
        commit, sizes = self._files()
        folder = self._get(commit, small_files(sizes, name))
        check_dimensions(check_configs(folder, name, may_be_scaled=may_be_scaled), {}, name)
        weights = {file: sizes[file] for file in weight_files(folder, name, sizes)}
        check_total(weights, index_bytes(folder, weights), name)
        require_space(folder, weights, os.listdir(folder))
        self._get(commit, list(weights))
        self._remember()
        return folder, commit

    def outline(
        self, scratch: Path, *, with_tokenizer: bool, may_be_scaled: bool
    ) -> tuple[Path, str]:
        """Download the small files, and the headers of the weight files unless these are cached.

        Returns:
            The folder in the cache, or else ``scratch``, and the revision's commit.
        """
        name = self.reference.id
        commit, sizes = self._files()
        small = small_files(sizes, name)
        if not with_tokenizer:
            small = [file for file in small if file in {*CONFIGS, INDEX}]
        folder = self._get(commit, small)
        check_configs(folder, name, may_be_scaled=may_be_scaled)
        weights = weight_files(folder, name, sizes)
        if not all((folder / file).is_file() for file in weights):
            for file in small:
                copyfile(folder / file, scratch / file)
            with hub_errors.refusals("model", name, self.reference.revision):
                fetch_headers(name, commit, weights, scratch, self.token)
            folder = scratch
        return folder, commit

    def _files(self) -> tuple[str, dict[str, int]]:
        """Return the revision's commit, and the sizes of its top-level files.

        Raises:
            SpecRefusedError: there is no such revision, or its files are no usable model.
        """
        commit, sizes = self._listed_files()
        require_safetensors(sizes, "model", self.reference.id)
        return commit, sizes

    def _listed_files(self) -> tuple[str, dict[str, int]]:
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

    def _get(self, commit: str, names: Sequence[str]) -> Path:
        """Download the named files of a commit unless they are cached; return their folder."""
        with hub_errors.refusals("model", self.reference.id, self.reference.revision):
            return self._snapshot(commit, [escape(name) for name in names])

    def _remember(self) -> None:
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
        """Return what `_files` returns, but from the cache; called if HF_HUB_OFFLINE is set."""
        wanted = self.reference.revision
        folder = self._snapshot(wanted, ["config.json"], local_files_only=True)
        return folder.name, {entry.name: entry.stat().st_size for entry in folder.iterdir()}
