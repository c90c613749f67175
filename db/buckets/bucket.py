"""A bucket: objects are written as a whole, verified in both directions, and read by ranges."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import S3Store

from db.buckets.access_key import AccessKey
from db.buckets.endpoint import ENDPOINTS, connect
from db.buckets.errors import (
    BucketDeniedError,
    BucketError,
    MissingBucketError,
    ObjectChangedError,
    UnusableRequestError,
    WrongDigestError,
)
from db.buckets.location import BucketLocation
from db.buckets.verified_file import VerifiedFile

PART_BYTES = 8 << 20
"""Larger files are uploaded in parts of this size, or of more if there were too many parts."""
MAX_PARTS = 9_000
PARTS_AT_ONCE = 4
READ_BYTES = 4 << 20
"""The size of the range that one request reads."""
CHUNK_BYTES = 1 << 20
PROBE_TIMEOUT = timedelta(seconds=5)
LEAST_TIMEOUT = timedelta(seconds=30)
CHECKED_FOR_S = 30.0
"""How long a bucket counts as usable after a check, because each check costs two requests."""
SHA256 = "sha256"
"""The name under which an object's digest is stored with it."""

NO_SUCH_BUCKET = "<Code>NoSuchBucket</Code>"
DENIED = re.compile(r"status code: 40[13]\b")

PERMANENT = (InvalidPathError, NotSupportedError, UnknownConfigurationKeyError)
"""Errors that the library raises itself; an invalid path has empty parts, ``.`` or ``..``."""

Check = Callable[[], object]


def proceed() -> None:
    """Let a transfer go on; the default for a check that may stop it."""


@dataclass(frozen=True)
class StoredObject:
    """An object's name below the bucket's prefix, and what the service says about it."""

    name: str
    size_bytes: int
    etag: str
    modified: datetime

    @property
    def identity(self) -> str:
        """A string that changes when other bytes are written under the same name."""
        return identity_of(self.etag, self.size_bytes)


class Bucket:
    """The objects below one prefix of a bucket. All methods are thread-safe.

    The client is made at the first use, because its threads do not survive a fork.

    Args:
        location: the bucket and the prefix.
        retry_for: how long a request is repeated while the service does not respond.
        timeout: the longest time for one request.
        key: what signs requests; by default the credentials of the environment.
    """

    def __init__(
        self,
        location: BucketLocation,
        retry_for: timedelta,
        timeout: timedelta = LEAST_TIMEOUT,
        key: AccessKey | None = None,
    ) -> None:
        self.location, self._retry_for = location, retry_for
        self._timeout, self._access_key = max(timeout, retry_for), key
        self._usable_until = 0.0

    def check(self) -> None:
        """Check that objects can be written and deleted, unless a recent check has shown it.

        Raises:
            BucketError: they cannot; the text names the setting and the remedy.
        """
        if time.monotonic() < self._usable_until:
            return
        key = self.location.key(f"checks/{uuid4().hex}")
        with self._reported("be written to"):
            probe = connect(
                self.location.bucket, timeout=PROBE_TIMEOUT, retry_for=PROBE_TIMEOUT, max_retries=1
            )
            try:
                obstore.put(probe, key, b"0", use_multipart=False)
            except FileNotFoundError as error:
                raise self._no_such_bucket() from error
            obstore.delete(probe, key)
        self._usable_until = time.monotonic() + CHECKED_FOR_S

    def upload(
        self,
        path: Path,
        name: str,
        digest: str,
        attributes: Mapping[str, str] | None = None,
        check: Check = proceed,
    ) -> str:
        """Upload a file, and return the object's identity.

        The object appears as a whole, and only if the bytes that were sent have the digest.

        Args:
            path: the file.
            name: the object's name.
            digest: the file's SHA-256, which is also stored with the object.
            attributes: HTTP headers with which the object is sent to readers.
            check: called often; it may raise an error to stop the upload.

        Raises:
            WrongDigestError: the file has another digest.
            BucketError: the bucket could not be used.
        """
        size = path.stat().st_size
        part_bytes = max(PART_BYTES, -(-size // MAX_PARTS))
        file = VerifiedFile(path, digest, part_bytes, check)
        given = {**(attributes or {}), SHA256: digest}
        try:
            if size <= PART_BYTES:
                etag = self._put(name, b"".join(file), given)
            else:
                etag = self._put(name, iter(file), given, part_bytes)
        except Exception:
            if file.error is not None:
                raise file.error from None
            raise
        return identity_of(etag, file.size_bytes)

    def write(self, name: str, content: bytes) -> None:
        """Write a small object."""
        self._put(name, content)

    def find(self, name: str) -> StoredObject:
        """Return an object's size and identity.

        Raises:
            FileNotFoundError: there is no such object.
        """
        with self._reported(f"find {name}"):
            meta = obstore.head(self._store, self._key(name))
        return StoredObject(name, meta["size"], meta["e_tag"] or "", meta["last_modified"])

    def read(self, found: StoredObject, wanted: range) -> Iterator[bytes]:
        """Yield a range of an object's bytes; each request reads only a few megabytes.

        Raises:
            FileNotFoundError: there is no such object any more.
            ObjectChangedError: it was replaced.
            EOFError: it ends before the range does.
        """
        for start in range(wanted.start, wanted.stop, READ_BYTES):
            stop = min(start + READ_BYTES, wanted.stop)
            with self._reported(f"read {found.name}"):
                content = obstore.get(
                    self._store,
                    self._key(found.name),
                    options={"range": (start, stop), "if_match": found.etag},
                ).bytes()
            if len(content) != stop - start:
                raise EOFError(f"{found.name} ends {stop - start - len(content)} bytes early")
            view = memoryview(content)
            for at in range(0, len(view), CHUNK_BYTES):
                yield bytes(view[at : at + CHUNK_BYTES])

    def content(self, name: str) -> bytes:
        """Return the content of a small object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        stored = self.find(name)
        return b"".join(self.read(stored, range(stored.size_bytes)))

    def download(self, name: str, path: Path, digest: str, check: Check = proceed) -> None:
        """Write an object to a file.

        Raises:
            FileNotFoundError: there is no such object.
            WrongDigestError: the object has another digest.
        """
        stored, content = self.find(name), sha256()
        with path.open("wb") as file:
            for chunk in self.read(stored, range(stored.size_bytes)):
                check()
                content.update(chunk)
                file.write(chunk)
        if content.hexdigest() != digest:
            raise WrongDigestError(name, digest, content.hexdigest())

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """Yield all objects below a folder, at any depth."""
        above = len(self.location.key("x")) - 1
        with self._reported(f"list {folder}"):
            for page in obstore.list(self._store, self._key(folder), chunk_size=1000):
                for meta in page:
                    yield StoredObject(
                        meta["path"][above:],
                        meta["size"],
                        meta["e_tag"] or "",
                        meta["last_modified"],
                    )

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders directly in a folder."""
        with self._reported(f"list {folder}"):
            listing = obstore.list_with_delimiter(self._store, self._key(folder))
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in listing["common_prefixes"]]

    def delete(self, names: Sequence[str]) -> None:
        """Delete objects; those that do not exist are ignored."""
        if names:
            with self._reported(f"delete {names[0]}"):
                obstore.delete(self._store, [self._key(name) for name in names])

    def delete_folder(self, folder: str) -> None:
        """Delete all objects below a folder."""
        self.delete([stored.name for stored in self.objects(folder)])

    def url(self, name: str, lifetime: timedelta) -> str:
        """Return a URL with which anyone can read an object until it expires."""
        with self._reported(f"sign a URL of {name}"):
            return obstore.sign(self._store, "GET", self._key(name), lifetime)

    def _put(
        self,
        name: str,
        content: bytes | Iterator[bytes],
        attributes: dict[str, str] | None = None,
        part_bytes: int = PART_BYTES,
    ) -> str | None:
        """Store an object, in parts if its content is an iterator, and return its entity tag."""
        with self._reported(f"store {name}"):
            try:
                return obstore.put(
                    self._store,
                    self._key(name),
                    content,
                    attributes=attributes,
                    use_multipart=not isinstance(content, bytes),
                    chunk_size=part_bytes,
                    max_concurrency=PARTS_AT_ONCE,
                )["e_tag"]
            except FileNotFoundError as error:
                raise self._no_such_bucket() from error

    def _no_such_bucket(self) -> BucketError:
        return MissingBucketError(
            f"ZPRUNER_ARTIFACT_URL={self.location}: there is no such bucket. Create it, or correct "
            "the setting."
        )

    @cached_property
    def _store(self) -> S3Store:
        return connect(
            self.location.bucket,
            timeout=self._timeout,
            retry_for=self._retry_for,
            key=self._access_key,
        )

    def _key(self, name: str) -> str:
        return self.location.key(name)

    @contextmanager
    def _reported(self, action: str) -> Iterator[None]:
        """Convert the library's errors; an error of a missing object stays as it is."""
        place = f"ZPRUNER_ARTIFACT_URL={self.location}"
        try:
            yield
        except PreconditionError as error:
            raise ObjectChangedError(f"{place}: cannot {action}: it was replaced") from error
        except PERMANENT as error:
            reason = " ".join(str(error).split())[:300]
            raise UnusableRequestError(f"{place} cannot {action}: {reason}") from error
        except BaseError as error:
            if _is_denied(error):
                raise BucketDeniedError(
                    f"{place} refused the credentials (cannot {action}). Correct AWS_ACCESS_KEY_ID "
                    "and AWS_SECRET_ACCESS_KEY, or permit them to list, read, write and delete "
                    "objects."
                ) from error
            if NO_SUCH_BUCKET in str(error):
                raise self._no_such_bucket() from error
            reason = " ".join(str(error).split())[:300]
            raise BucketError(
                f"{place} cannot {action}. Check the network, the credentials and the endpoint "
                f"({ENDPOINTS[1]}): {reason}"
            ) from error


def _is_denied(error: BaseError) -> bool:
    """Whether credentials were refused; of a list, only the text of the error says so."""
    return isinstance(error, PermissionDeniedError | UnauthenticatedError) or (
        DENIED.search(str(error)) is not None
    )


def identity_of(etag: str | None, size_bytes: int) -> str:
    """Return an object's identity as artifacts' rows store it."""
    plain = (etag or "").removeprefix("W/").strip('"')
    return f"{plain[:70]}:{size_bytes}"
