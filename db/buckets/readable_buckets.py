"""The buckets that the operator lets jobs read."""

from dataclasses import dataclass
from pathlib import Path

from db.buckets.location import BucketLocation, parse_bucket


@dataclass(frozen=True)
class ReadableBuckets:
    """The locations in buckets that jobs may read, and the folder of copies.

    Attributes:
        urls: locations; all objects below them may be read.
        copies: the folder of this machine for copies of objects.
    """

    urls: tuple[str, ...]
    copies: Path

    def allow(self, location: BucketLocation) -> bool:
        return any(parse_bucket(url).contains(location) for url in self.urls)
