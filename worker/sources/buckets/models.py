"""Models from buckets: copied completely for a job, or only their headers for an estimate."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from db.buckets.bucket import StoredObject
from db.spec.checkpoint_headers import index_bytes, weight_files
from db.spec.dimensions import check_dimensions
from db.spec.inputs.bucket_input import BucketInput, open_model
from db.spec.inputs.bucket_references import S3Folder
from db.spec.model_configs import CONFIGS, check_configs
from worker.sources.buckets.copied_objects import copied_objects
from worker.sources.model_files import MAX_CONCURRENT, check_total, require_space, small_files
from zpruner.files.header import LENGTH_BYTES, MAX_HEADER_BYTES, header_bytes
from zpruner.files.weight_files import INDEX


def copy_model(reference: S3Folder, secret: str | None, *, may_be_scaled: bool) -> Path:
    """Return a folder with a model's files, the weights copied last.

    Args:
        reference: the model.
        secret: the caller's access key; None for the service's own credentials.
        may_be_scaled: whether weights of 8-bit floats with scales of blocks are accepted.

    Raises:
        SpecRefusedError: the model cannot be copied, or its files are not acceptable.
        OSError: the disk has too little space.
    """
    source, name = open_model(reference, secret), reference.name
    objects = source.model_objects()
    small = small_files(_sizes(objects), name)
    weights = {file: stored for file, stored in objects.items() if file.endswith(".safetensors")}
    wanted = {file: objects[file] for file in small} | weights
    with copied_objects(reference.copies, source, wanted) as copied:
        copied.fetch(small)
        folder = copied.path
        check_dimensions(check_configs(folder, name, may_be_scaled=may_be_scaled), {}, name)
        used = {file: weights[file].size_bytes for file in weight_files(folder, name, weights)}
        check_total(used, index_bytes(folder, used), name)
        require_space(folder, used, {path.name for path in folder.iterdir()})
        copied.fetch(used)
    return folder


def outline_model(
    reference: S3Folder,
    secret: str | None,
    scratch: Path,
    *,
    with_tokenizer: bool,
    may_be_scaled: bool,
) -> Path:
    """Fill a folder with a model's configuration, and with weight files that are only headers.

    Raises:
        SpecRefusedError: the model cannot be read, or its files are not acceptable.
    """
    source, name = open_model(reference, secret), reference.name
    objects = source.model_objects()
    for file in small_files(_sizes(objects), name):
        if with_tokenizer or file in {*CONFIGS, INDEX}:
            (scratch / file).write_bytes(b"".join(source.read(objects[file])))
    check_configs(scratch, name, may_be_scaled=may_be_scaled)
    weights = [objects[file] for file in weight_files(scratch, name, objects)]
    with ThreadPoolExecutor(MAX_CONCURRENT) as pool:
        for _ in pool.map(lambda stored: _copy_header(source, stored, scratch), weights):
            pass
    return scratch


def write_header(read: Callable[[range], Iterable[bytes]], size_bytes: int, path: Path) -> None:
    """Write a weight file with a hole in place of the weights, or of a header that is too large.

    Args:
        read: returns a range of the file's bytes.
        size_bytes: the size of the file.
        path: where to write it.
    """
    start = b"".join(read(range(min(LENGTH_BYTES, size_bytes))))
    length = header_bytes(start)
    header = range(LENGTH_BYTES, min(LENGTH_BYTES + length, size_bytes))
    with path.open("wb") as file:
        file.write(start)
        if 0 < length <= MAX_HEADER_BYTES:
            file.writelines(read(header))
        file.truncate(size_bytes)


def _copy_header(source: BucketInput, stored: StoredObject, folder: Path) -> None:
    write_header(partial(source.read, stored), stored.size_bytes, folder / stored.name)


def _sizes(objects: Mapping[str, StoredObject]) -> dict[str, int]:
    return {name: stored.size_bytes for name, stored in objects.items()}
