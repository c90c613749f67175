"""Models from the hub, from a bucket, or from a local folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from db.core.refusals import refused
from db.spec.checkpoint_headers import check_weights
from db.spec.dimensions import check_dimensions
from db.spec.inputs.bucket_references import S3Folder
from db.spec.inputs.references import HubRepo, LocalPath, ModelReference, require_safetensors
from db.spec.model_configs import check_configs
from worker.sources.buckets.models import copy_model, outline_model
from worker.sources.hub_models import HubModel


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
            repo = HubModel.of(reference, secret)
            folder, commit = repo.download(may_be_scaled=may_be_scaled)
            return _checked(ModelFolder(folder, reference.id, commit), may_be_scaled)
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
    asked = {"with_tokenizer": with_tokenizer, "may_be_scaled": may_be_scaled}
    match reference:
        case LocalPath(path, name):
            return _checked(ModelFolder(path, name), may_be_scaled)
        case HubRepo():
            repo = HubModel.of(reference, secret)
            folder, commit = repo.outline(scratch, **asked)
            return _checked(ModelFolder(folder, reference.id, commit), may_be_scaled)
        case S3Folder(name=name):
            outline_model(reference, secret, scratch, **asked)
            return _checked(ModelFolder(scratch, name), may_be_scaled)


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
