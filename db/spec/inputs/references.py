"""References: the models, datasets and secrets that the names in a specification stand for."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import Field

from db.buckets.readable_buckets import ReadableBuckets
from db.core.errors import SpecRefusedError
from db.spec.datasets.builtin import BUILTIN_DATASETS
from db.spec.datasets.protocols import SEPARATOR, built_in, protocol_window
from db.spec.datasets.upload_store import UPLOADED, uploaded_file
from db.spec.inputs.bucket_references import S3File, S3Folder, parse_file, parse_folder
from db.spec.inputs.input_name import LOCAL, InputName, local_path, refuse_urls, require_file
from db.spec.inputs.job_results import model_job
from db.spec.inputs.local_models import local_models
from db.spec.model_entries import check_model_entries

BUILTINS = tuple(BUILTIN_DATASETS)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_HUB_ID = re.compile(
    r"(?=.{1,96}\Z)(?:[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*/)?\w+(?:[.-]\w+)*\Z", re.A
)
_SIGNS = re.compile(r"[-_. ]")
_CONFIG = re.compile(r"\w[\w.-]{0,95}\Z", re.A)
SecretName = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
]


@dataclass(frozen=True)
class HubRepo:
    """A model repository on the Hugging Face hub."""

    id: str
    revision: str | None = None

    @property
    def name(self) -> str:
        return self.id


@dataclass(frozen=True)
class LocalPath:
    """The path of a local folder or file, and its name in the request.

    Links in the path are resolved, except for an uploaded dataset. ``text_field`` is the field to
    use in each row of a dataset; if None, the first of ``KNOWN_FIELDS`` found.
    """

    path: Path
    name: str
    text_field: str | None = None


@dataclass(frozen=True)
class Builtin:
    """A built-in dataset; ``window`` is the length of windows in a named protocol, else None."""

    dataset: str
    window: int | None = None

    @property
    def name(self) -> str:
        """The name in a request: ``dataset``, or for a named protocol ``dataset@window``."""
        return self.dataset if self.window is None else f"{self.dataset}{SEPARATOR}{self.window}"


@dataclass(frozen=True)
class HubDataset:
    """A dataset on the hub, its configuration, and the name of the field to use in each row."""

    id: str
    config: str | None = None
    text_field: str | None = None

    @property
    def name(self) -> str:
        """The name in a request: ``id`` or ``id:config``."""
        return f"{self.id}:{self.config}" if self.config else self.id


ModelReference = HubRepo | LocalPath | S3Folder
DatasetReference = Builtin | HubDataset | LocalPath
"""A dataset that can be read; one in a bucket can be once it is a local file."""


def is_on_hub(name: str) -> bool:
    """Return whether a model's name is that of a repository of the hub, by its form alone."""
    return ":" not in name and not name.startswith(("/", "./", "../", "~"))


def parse_model(
    name: str,
    revision: str | None,
    roots: Sequence[Path] | None,
    buckets: ReadableBuckets | None = None,
    result: Path | None = None,
) -> ModelReference:
    """Parse the name of a model; if `roots` is None, any folder is allowed.

    Args:
        name: the name in the specification.
        revision: the revision in the specification.
        roots: the folders in which local models are allowed.
        buckets: the buckets that jobs may read; None for none.
        result: the folder with the files of the result, if the model is that of a finished job.

    Raises:
        SpecRefusedError: the name is neither a hub id nor a folder below an allowed root or in an
            allowed bucket; a file in the folder is a link out of the roots, or neither a file nor a
            folder; ``revision`` is given for a folder; or there is no ``result`` to read.
    """
    wanted = InputName("model", name, roots)
    if model_job(name) is not None:
        _refuse_revision(revision, "the result of a job")
        return LocalPath(_require_result(wanted, result), name)
    if wanted.is_in_bucket:
        _refuse_revision(revision, "a folder in a bucket")
        return parse_folder(name, buckets)
    refuse_urls(wanted)
    path = local_path(wanted)
    if path is None:
        return HubRepo(_hub_id(wanted, name), revision)
    _refuse_revision(revision, "a local folder")
    if not os.path.isdir(path):
        remedy = f"{_likely_model(wanted, path)}Name a folder that holds config.json."
        raise wanted.refused("model_not_found", "there is no such folder", remedy)
    check_model_entries(path, name, roots)
    return LocalPath(path, name)


def parse_dataset(
    name: str,
    roots: Sequence[Path] | None,
    field: str = "dataset",
    uploads: Path | None = None,
    text_field: str | None = None,
    buckets: ReadableBuckets | None = None,
) -> DatasetReference | S3File:
    """Parse the name of a dataset; if `roots` is None, any file is allowed.

    Args:
        name: the name in the specification.
        roots: the folders in which local files are allowed.
        field: the field of the specification that holds the name.
        uploads: the folder of uploaded datasets.
        text_field: the field of the dataset's rows that the specification selects.
        buckets: the buckets that jobs may read; None for none.

    Raises:
        SpecRefusedError: the name is neither a built-in dataset, nor a hub id, nor a file below an
            allowed root or in an allowed bucket, nor a dataset in the folder ``uploads``.
    """
    wanted = InputName(field, name, roots)
    if wanted.is_in_bucket:
        return parse_file(name, field, text_field, buckets)
    refuse_urls(wanted)
    if (dataset := built_in(name)) is not None:
        return Builtin(dataset, protocol_window(name, field))
    if name.startswith(UPLOADED):
        return LocalPath(uploaded_file(name, field, uploads), name, text_field)
    path = local_path(wanted)
    if path is not None:
        require_file(wanted, path)
        return LocalPath(path, name, text_field)
    if (meant := _misspelt_builtin(name)) is not None:
        raise wanted.refused(
            "invalid_name", "no built-in dataset is written like this", f"Did you mean {meant}?"
        )
    hub_id, _, config = name.partition(":")
    if ":" in name and not _CONFIG.match(config):
        raise wanted.refused(
            "invalid_name", "the part after the colon is no configuration", "Write org/name:config."
        )
    return HubDataset(_hub_id(wanted, hub_id), config or None, text_field)


def require_safetensors(names: Collection[str], field: str, value: str) -> None:
    """Check that a model can be used, judging by the names of its files.

    Raises:
        SpecRefusedError: ``no_config``, ``pickle_only`` or ``no_weights``.
    """
    top = [name for name in names if "/" not in name]
    if "config.json" not in top:
        raise SpecRefusedError(
            field,
            value,
            "no_config",
            "it has no config.json",
            "Name a model in the transformers layout: config.json beside its safetensors.",
        )
    if any(name.endswith(".safetensors") for name in top):
        return
    if any(name.endswith(PICKLES) for name in top):
        raise SpecRefusedError(
            field,
            value,
            "pickle_only",
            "its weights are pickle files, which can run code when they are read",
            "Convert it with save_pretrained(safe_serialization=True), or name a safetensors copy.",
        )
    raise SpecRefusedError(
        field,
        value,
        "no_weights",
        "it has no safetensors file",
        "Name a repository or folder that holds model.safetensors or its shards.",
    )


def _refuse_revision(revision: str | None, place: str) -> None:
    if revision is not None:
        raise SpecRefusedError(
            "revision",
            revision,
            "revision_of_a_folder",
            f"{place} has no revisions",
            "Leave revision out, or name a Hugging Face id as the model.",
        )


def _require_result(name: InputName, result: Path | None) -> Path:
    if result is None:
        raise name.refused(
            "invalid_name",
            "only a service knows the results of its jobs",
            "Submit the job to the service (zpruner submit), or download the result with zpruner "
            "download and name its folder.",
        )
    return result


def _likely_model(wanted: InputName, path: Path) -> str:
    """Return which local model was probably meant, as a sentence; empty if that is unknown."""
    roots = [path.parent] if wanted.roots is None else wanted.roots
    names = [name.removeprefix(LOCAL) for name in local_models(roots)]
    name = path.name if wanted.roots is None else wanted.value.removeprefix(LOCAL)
    if not (close := get_close_matches(name, names, n=1)):
        return ""
    place = path.parent / close[0] if wanted.roots is None else close[0]
    return f"Did you mean {LOCAL}{place}? "


def _misspelt_builtin(name: str) -> str | None:
    """Return the built-in dataset of a name with other capitals or signs, as in ``wikitext-2``."""
    letters = _SIGNS.sub("", name.lower())
    return next((builtin for builtin in BUILTINS if _SIGNS.sub("", builtin) == letters), None)


def _hub_id(name: InputName, hub_id: str) -> str:
    if _HUB_ID.match(hub_id) and not hub_id.endswith(".git"):
        return hub_id
    raise name.refused("invalid_name", "it is not a Hugging Face id", _SHAPES[name.kind])


_SHAPES = {
    "model": "Write org/name as on the hub, local: and a folder below an allowed root, "
    "s3://bucket/folder, or job: and the id of a job.",
    "dataset": f"Write {', '.join(BUILTINS)}, org/name, local: and a file, uploaded: and an id, or "
    "s3://bucket/file.",
}
