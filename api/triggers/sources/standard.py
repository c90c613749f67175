"""Any system that follows Standard Webhooks."""

from base64 import b64decode

from api.triggers.sources.signatures import is_signed
from api.triggers.sources.source import Call, Example, Source

_HEADERS = "webhook-id", "webhook-timestamp", "webhook-signature"


def _matches(secret: str, call: Call) -> bool:
    return is_signed(b64decode(secret.removeprefix("whsec_")), _HEADERS, call)


SOURCE = Source(
    label="Standard Webhooks",
    header="webhook-signature",
    proof="`webhook-signature` holds that of `<webhook-id>.<webhook-timestamp>.<body>`, as "
    "[Standard Webhooks](https://www.standardwebhooks.com) describes",
    matches=_matches,
    id_header="webhook-id",
    example=Example(
        name="events",
        setup="Let the sender sign its messages to this address with this secret.",
        job={"sparsity": 0.5, "dataset": "wikitext2"},
        filter={"/type": "model.published"},
        map={"model": "/data/model"},
        payload={
            "type": "model.published",
            "timestamp": "2026-01-05T09:30:00Z",
            "data": {"model": "our-org/our-model"},
        },
    ),
)
