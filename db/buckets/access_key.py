"""An access key of an S3-compatible service, which signs requests in place of the variables'."""

from dataclasses import dataclass, field

from db.core import redaction

FORM = (
    "An access key has the form ACCESS_KEY_ID:SECRET_ACCESS_KEY or "
    "ACCESS_KEY_ID:SECRET_ACCESS_KEY:TOKEN."
)


@dataclass(frozen=True)
class AccessKey:
    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def parse_access_key(text: str) -> AccessKey:
    """Parse a caller's secret; logs no longer show its parts, which a service may quote.

    Raises:
        ValueError: it has another form; the message says which is expected.
    """
    key_id, *values = text.strip().split(":", 2)
    if not key_id or not values or not all(values):
        raise ValueError(FORM)
    for value in values:
        redaction.register(value)
    return AccessKey(key_id, *values)
