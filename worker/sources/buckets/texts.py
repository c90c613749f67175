"""Texts from buckets, copied to this machine."""

from pathlib import Path

from db.spec.datasets.files import DataFile
from db.spec.inputs.bucket_input import open_text
from db.spec.inputs.bucket_references import S3File
from db.spec.inputs.references import LocalPath
from worker.sources.buckets.copied_objects import copied_objects
from worker.sources.model_files import require_space


def copy_text(reference: S3File, field: str) -> LocalPath:
    """Return a copy of a text that ``field`` names, as a local file of the same name.

    Raises:
        SpecRefusedError: the text cannot be copied, or is too large.
        OSError: the disk has too little space.
    """
    source = open_text(reference, field)
    stored = source.file_object(reference.file)
    DataFile(Path(reference.file), field, reference.name).require_size(stored.size_bytes)
    with copied_objects(reference.copies, source, {reference.file: stored}) as copied:
        present = {path.name for path in copied.path.iterdir()}
        require_space(copied.path, {reference.file: stored.size_bytes}, present)
        copied.fetch([reference.file])
    return LocalPath(copied.path / reference.file, reference.name, reference.text_field)
