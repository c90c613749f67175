"""Webhooks of GitHub."""

import hmac
from urllib.parse import parse_qs

from api.triggers.sources.source import FORM, Call, Example, Source


def _matches(secret: str, call: Call) -> bool:
    expected = b"sha256=" + hmac.digest(secret.encode(), call.body, "sha256").hex().encode()
    return hmac.compare_digest(expected, call.header("x-hub-signature-256"))


def _json(call: Call) -> bytes:
    """Return the JSON in a body, which can also be the ``payload`` field of a form."""
    if not call.is_form:
        return call.body
    form = parse_qs(call.body, strict_parsing=True)
    if len(form.get(b"payload", ())) != 1:
        raise ValueError(f"The {FORM} body must have exactly one field payload")
    return form[b"payload"][0]


def _ignore_reason(call: Call) -> str | None:
    is_ping = call.headers.get("x-github-event") == "ping"
    return "a ping starts no job" if is_ping else None


SOURCE = Source(
    label="GitHub",
    header="X-Hub-Signature-256",
    proof="`X-Hub-Signature-256` is `sha256=` and the HMAC-SHA256 of the body in hex",
    matches=_matches,
    id_header="X-GitHub-Delivery",
    signs_only_body=True,
    json=_json,
    ignore_reason=_ignore_reason,
    example=Example(
        name="releases",
        setup="In the repository's settings add a webhook with this address, the content type "
        "application/json, this secret and “Releases” as its only event.",
        job={"sparsity": 0.5, "dataset": "wikitext2", "model": "our-org/our-model"},
        filter={"/action": "published"},
        map={"revision": "/release/tag_name", "labels.repository": "/repository/full_name"},
        payload={
            "action": "published",
            "release": {"tag_name": "v1.0"},
            "repository": {"full_name": "our-org/our-model"},
        },
    ),
)
