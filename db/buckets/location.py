"""The place of the service's files: a folder, or a bucket of an S3-compatible service."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

FORMS = "file:///folder or s3://bucket/prefix"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9!_.*'()-]+")


@dataclass(frozen=True)
class BucketLocation:
    """A bucket, and the prefix of all keys in it; the prefix may be empty."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """Return the key of the object with this name below the prefix."""
        return f"{self.prefix}/{name}".strip("/")

    def contains(self, other: "BucketLocation") -> bool:
        """Whether another location is this one, or below it."""
        above = f"{self.prefix}/" if self.prefix else ""
        return self.bucket == other.bucket and f"{other.prefix}/".startswith(above)


def parse_bucket(url: str) -> BucketLocation:
    """Parse the URL of a bucket, which must be written as the location is.

    Raises:
        ValueError: the URL has another form.
    """
    location = parse_location(url)
    if not isinstance(location, BucketLocation) or str(location) != url.removesuffix("/"):
        raise ValueError("it should be s3://bucket/path, without empty parts")
    return location


def parse_location(url: str) -> Path | BucketLocation:
    """Parse the URL of a folder or of a bucket.

    Raises:
        ValueError: the URL has another form.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"it should be {FORMS}, without user, query and fragment")
    if parts.scheme == "file":
        return _folder(parts)
    if parts.scheme == "s3":
        return _bucket(parts)
    raise ValueError(f"it should be {FORMS}")


def _folder(parts: SplitResult) -> Path:
    path = unquote(parts.path)
    if parts.netloc not in {"", "localhost"} or path in {"", "/"}:
        raise ValueError("it should be file:// and an absolute path, as in file:///srv/zpruner")
    return Path(path)


def _bucket(parts: SplitResult) -> BucketLocation:
    if _BUCKET.fullmatch(parts.netloc) is None:
        raise ValueError(f"{parts.netloc!r} is not the name of a bucket")
    segments = [segment for segment in parts.path.split("/") if segment]
    for segment in segments:
        if _SEGMENT.fullmatch(segment) is None:
            why = f"the prefix may not contain {segment!r}: use letters, digits and !_.*'()-"
            raise ValueError(why)
    return BucketLocation(parts.netloc, "/".join(segments))
