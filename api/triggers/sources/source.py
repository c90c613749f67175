"""A system that calls triggers: how its calls are authenticated, recognised and read."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pydantic import JsonValue

from db.triggers import CallId

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Call:
    """An incoming request to a trigger's hook."""

    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> bytes:
        """Return a header's bytes; empty if it was not sent."""
        return self.headers.get(name.lower(), "").encode("latin-1")

    @property
    def is_form(self) -> bool:
        """Whether the body is a form."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


@dataclass(frozen=True)
class Example:
    """A trigger to start from, a payload as the source sends it, and how the source is set up."""

    name: str
    setup: str
    job: Mapping[str, JsonValue]
    filter: Mapping[str, JsonValue]
    map: Mapping[str, str]
    payload: JsonValue


def body_json(call: Call) -> bytes:
    """Return the JSON in the body of a call.

    Raises:
        ValueError: the body is a form.
    """
    if call.is_form:
        raise ValueError(f"The content type is {FORM}: send application/json")
    return call.body


@dataclass(frozen=True)
class Source:
    """A system that calls triggers.

    Attributes:
        label: its name.
        header: the header with the secret or the signature.
        proof: when a call is authentic, for the documentation.
        matches: whether a call is signed with, or contains, a secret.
        example: a trigger to start from.
        id_header: the header with the id of a delivery, if the source sends one.
        signs_only_body: whether its signature does not cover that id.
        json: returns the JSON in a call; raises ValueError if there is none.
        ignore_reason: why a call starts no job whatever its payload is; None if it can start one.
    """

    label: str
    header: str
    proof: str
    matches: Callable[[str, Call], bool]
    example: Example
    id_header: str | None = None
    signs_only_body: bool = False
    json: Callable[[Call], bytes] = body_json
    ignore_reason: Callable[[Call], str | None] = lambda call: None

    def is_authentic(self, secrets: Sequence[str], call: Call) -> bool:
        """Whether a call is signed with, or contains, one of the secrets."""
        # A list, so that the time does not depend on which secret matches.
        matches = [self.matches(secret, call) for secret in secrets]
        return any(matches)

    def call_name(self, call: Call) -> CallId:
        """Return the identity of a call, by which repeated calls are recognized.

        If a source signs only the body, an attacker could repeat a call with another delivery id.
        Then the identity includes a digest of the body, and a call with a known digest counts as
        repeated.
        """
        digest = sha256(call.body).hexdigest() if self.signs_only_body else None
        return CallId(self._delivery_id(call), digest)

    def _delivery_id(self, call: Call) -> str:
        """Return the id that the source sent, or a digest of the body if it sent none.

        If the id is malformed, return a digest of the id.
        """
        own = call.headers.get((self.id_header or "").lower())
        sent = own or call.headers.get("idempotency-key")
        if sent is None:
            return f"sha256:{sha256(call.body).hexdigest()}"
        if re.fullmatch(r"[\x21-\x7e]{1,200}", sent):
            return sent
        return f"sha256:{sha256(sent.encode()).hexdigest()}"
