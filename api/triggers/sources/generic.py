"""Any system that can send the secret in a header."""

import hmac

from api.triggers.sources.source import Call, Example, Source


def _matches(secret: str, call: Call) -> bool:
    scheme, _, token = call.header("authorization").partition(b" ")
    is_same = hmac.compare_digest(secret.encode(), token.strip())
    return is_same and scheme.lower() == b"bearer"


SOURCE = Source(
    label="Anything that can POST",
    header="Authorization: Bearer",
    proof="`Authorization` is `Bearer` and the secret",
    matches=_matches,
    example=Example(
        name="nightly",
        setup="POST JSON to this address with the header “Authorization: Bearer” and this secret; "
        "with an Idempotency-Key, a repeated call starts no second job.",
        job={"sparsity": 0.5, "dataset": "wikitext2"},
        filter={},
        map={"model": "/model"},
        payload={"model": "our-org/our-model"},
    ),
)
