"""Errors of buckets."""


class BucketError(OSError):
    """The bucket could not be used, so nothing is known about its objects; the text says why."""


class BucketDeniedError(BucketError):
    """The service refused the credentials, or they do not permit the request."""


class MissingBucketError(BucketError):
    """There is no such bucket."""


class UnusableRequestError(BucketError):
    """No request like this can succeed, whatever the service responds, so none is repeated."""


class ObjectChangedError(BucketError):
    """The object was replaced after its identity was read."""


class WrongDigestError(BucketError):
    """The bytes of a file or object have another SHA-256 than expected."""

    def __init__(self, name: str, expected: str, found: str) -> None:
        super().__init__(f"{name} has the sha256 {found}, not {expected}")
