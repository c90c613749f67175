"""Copies of a bucket's objects on this machine, shared by all jobs that read the same objects."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from db.buckets.bucket import StoredObject
from db.core.fsync import sync_folder
from db.spec.inputs.bucket_input import BucketInput


@dataclass(frozen=True)
class CopiedObjects:
    """A folder with complete copies of some objects.

    Attributes:
        path: the folder.
        source: the model or text.
        objects: the objects that may be copied, by the name of the copy.
    """

    path: Path
    source: BucketInput
    objects: Mapping[str, StoredObject]

    def fetch(self, names: Iterable[str]) -> None:
        """Copy the named objects, except those that are complete here.

        Raises:
            SpecRefusedError: an object was replaced or deleted, or the bucket cannot be read.
        """
        for name in names:
            if not (self.path / name).is_file():
                self._copy(name)

    def _copy(self, name: str) -> None:
        part = self.path / f".{name}.part"
        with part.open("wb") as file:
            for chunk in self.source.read(self.objects[name]):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path / name)
        sync_folder(self.path)


@contextmanager
def copied_objects(
    copies: Path, source: BucketInput, objects: Mapping[str, StoredObject]
) -> Iterator[CopiedObjects]:
    """Open the folder of these objects' copies, which no other process changes meanwhile.

    The folder's name depends on the identity of each object, so that replaced objects have another
    folder, and a job that reads the old ones is not disturbed.
    """
    identities = sorted((name, stored.identity) for name, stored in objects.items())
    key = json.dumps([str(source.bucket.location), identities])
    path = copies / sha256(key.encode()).hexdigest()[:32]
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield CopiedObjects(path, source, objects)
    finally:
        os.close(descriptor)
