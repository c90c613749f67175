"""References to models and texts in buckets, as ``s3://`` names them."""

from dataclasses import dataclass
from pathlib import Path

from db.buckets.location import BucketLocation, parse_bucket
from db.buckets.readable_buckets import ReadableBuckets
from db.core.errors import SpecRefusedError

S3 = "s3://"
SETTING = "ZPRUNER_INPUT_URLS"
MAX_NAME = 200
"""The longest name of a file, which is the name of its copy as well."""


@dataclass(frozen=True)
class S3Folder:
    """A model in a bucket.

    Attributes:
        location: the folder of its files.
        name: its name in the request.
        copies: the folder of this machine for copies of objects.
    """

    location: BucketLocation
    name: str
    copies: Path


@dataclass(frozen=True)
class S3File:
    """A text in a bucket.

    Attributes:
        location: the folder of the file.
        file: the file's name in it.
        name: its name in the request.
        copies: the folder of this machine for copies of objects.
        text_field: the field to use in each row, as for a local file.
    """

    location: BucketLocation
    file: str
    name: str
    copies: Path
    text_field: str | None = None


def parse_folder(name: str, buckets: ReadableBuckets | None) -> S3Folder:
    """Parse the name of a model in a bucket; None as ``buckets`` allows none.

    Raises:
        SpecRefusedError: the name is malformed, or the operator does not allow the location.
    """
    location, copies = _allowed("model", name, buckets)
    return S3Folder(location, name, copies)


def parse_file(
    name: str, field: str, text_field: str | None, buckets: ReadableBuckets | None
) -> S3File:
    """Parse the name of a text in a bucket, which ``field`` holds.

    Raises:
        SpecRefusedError: the name is malformed, or the operator does not allow the location.
    """
    location, copies = _allowed(field, name, buckets)
    folder, _, file = location.prefix.rpartition("/")
    if name.endswith("/") or not file or len(file) > MAX_NAME:
        reason = f"it names no file, or one whose name has more than {MAX_NAME} characters"
        raise _malformed(field, name, reason)
    return S3File(BucketLocation(location.bucket, folder), file, name, copies, text_field)


def _allowed(field: str, name: str, buckets: ReadableBuckets | None) -> tuple[BucketLocation, Path]:
    try:
        location = parse_bucket(name)
    except ValueError as error:
        raise _malformed(field, name, str(error)) from None
    if buckets is not None and buckets.allow(location):
        return location, buckets.copies
    known = ", ".join(buckets.urls if buckets else ()) or "none"
    raise SpecRefusedError(
        field,
        name,
        "input_not_allowed",
        f"the operator does not let jobs read it (allowed: {known})",
        f"Name a location below one of these, or ask the operator to add it to {SETTING}.",
    )


def _malformed(field: str, name: str, reason: str) -> SpecRefusedError:
    remedy = "Write s3://bucket/folder." if field == "model" else "Write s3://bucket/folder/file."
    return SpecRefusedError(field, name, "invalid_name", reason, remedy)
