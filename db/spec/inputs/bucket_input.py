"""The objects of one model or text in a bucket; errors name the field to change."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from obstore.exceptions import InvalidPathError

from db.buckets.access_key import parse_access_key
from db.buckets.bucket import LEAST_TIMEOUT, Bucket, StoredObject
from db.buckets.errors import (
    BucketDeniedError,
    BucketError,
    MissingBucketError,
    ObjectChangedError,
    UnusableRequestError,
)
from db.core.errors import SpecRefusedError
from db.spec.inputs.bucket_references import S3File, S3Folder
from db.spec.inputs.references import require_safetensors

UNREACHABLE = "bucket_unreachable"
MAX_OBJECTS = 10_000
RETRY_FOR = timedelta(seconds=30)
"""How long a request is repeated; after that the job is, which then skips complete files."""
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,199}")


@dataclass(frozen=True)
class BucketInput:
    """The objects of a model or a text.

    Attributes:
        field: the field of the specification that names it.
        name: the value of that field.
        bucket: the folder of its objects.
        remedy: what to do if the bucket denies access.
    """

    field: str
    name: str
    bucket: Bucket
    remedy: str

    def model_objects(self) -> Mapping[str, StoredObject]:
        """Return the files directly in a model's folder, by name.

        Raises:
            SpecRefusedError: there is no model that can be used, or the bucket cannot be read.
        """
        objects: dict[str, StoredObject] = {}
        with self._refusals():
            for number, stored in enumerate(self.bucket.objects(""), 1):
                if number > MAX_OBJECTS:
                    reason = f"its folder has more than {MAX_OBJECTS:,} objects"
                    raise self._refused("unreadable_model", reason, "Name the folder of one model.")
                objects[stored.name] = stored
        if not objects:
            raise self._missing()
        require_safetensors(objects, self.field, self.name)
        return {name: stored for name, stored in objects.items() if _PLAIN.fullmatch(name)}

    def file_object(self, file: str) -> StoredObject:
        """Return the object of a text.

        Raises:
            SpecRefusedError: there is no such file, or the bucket cannot be read.
        """
        with self._refusals():
            return self.bucket.find(file)

    def read(self, found: StoredObject, wanted: range | None = None) -> Iterator[bytes]:
        """Yield the bytes of an object, or a range of them.

        Raises:
            SpecRefusedError: the object was replaced or deleted, or the bucket cannot be read.
        """
        wanted = range(found.size_bytes) if wanted is None else wanted
        with self._refusals():
            yield from self.bucket.read(found, wanted)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Convert errors of the bucket, whose texts may quote the request, to refusals."""
        try:
            yield
        except (FileNotFoundError, MissingBucketError):
            raise self._missing() from None
        except BucketDeniedError:
            reason = "the bucket's service denied access"
            raise self._refused("bucket_denied", reason, self.remedy) from None
        except UnusableRequestError as error:
            code = "unreadable_model" if self.field == "model" else "unreadable_dataset"
            reason = "an object's key has an empty part, '.' or '..', so nothing can be read"
            if not isinstance(error.__cause__, InvalidPathError):
                reason = f"it cannot be read ({_why(error)})"
            remedy = "Delete such objects, or name another folder."
            raise self._refused(code, reason, remedy) from None
        except (BucketError, EOFError) as error:
            reason = f"its bucket could not be read ({_why(error)})"
            remedy = "Try again when the bucket's service can be reached, or name another one."
            raise self._refused(UNREACHABLE, reason, remedy) from None

    def _missing(self) -> SpecRefusedError:
        kind, place = ("model", "folder") if self.field == "model" else ("dataset", "file")
        reason = f"there is no such bucket, or no such {place} in it"
        return self._refused(f"{kind}_not_found", reason, "Check the name.")

    def _refused(self, code: str, reason: str, remedy: str) -> SpecRefusedError:
        return SpecRefusedError(self.field, self.name, code, reason, remedy)


def open_model(
    reference: S3Folder,
    secret: str | None,
    retry_for: timedelta = RETRY_FOR,
    timeout: timedelta = LEAST_TIMEOUT,
) -> BucketInput:
    """Return a model's objects.

    Args:
        reference: the model.
        secret: the caller's access key, which then signs alone; None for the service's own.
        retry_for: how long a request is repeated.
        timeout: the longest time for one request.
    """
    if secret is None:
        remedy = "Name a secret with an access key that may list and read it in model_secret, or "
        remedy += "permit the service's own AWS_ACCESS_KEY_ID to."
        key = None
    else:
        remedy = "Let the access key in model_secret list and read it, or store another key."
        key = parse_access_key(secret)
    bucket = Bucket(reference.location, retry_for, timeout, key)
    return BucketInput("model", reference.name, bucket, remedy)


def open_text(
    reference: S3File,
    field: str,
    retry_for: timedelta = RETRY_FOR,
    timeout: timedelta = LEAST_TIMEOUT,
) -> BucketInput:
    """Return the objects beside a text that ``field`` names; the service's credentials sign."""
    remedy = "Permit the service's AWS_ACCESS_KEY_ID to read it, or name another text."
    bucket = Bucket(reference.location, retry_for, timeout)
    return BucketInput(field, reference.name, bucket, remedy)


def _why(error: Exception) -> str:
    if isinstance(error, ObjectChangedError):
        return "an object was replaced while it was read"
    return type(error.__cause__ or error).__name__
