"""Webhooks of the Hugging Face hub."""

import hmac

from api.triggers.sources.source import Call, Example, Source

_COMMIT = "c379e821c9c95d613899e8c4343e4bfee2b0c600"


def _matches(secret: str, call: Call) -> bool:
    return hmac.compare_digest(secret.encode(), call.header("x-webhook-secret"))


SOURCE = Source(
    label="Hugging Face",
    header="X-Webhook-Secret",
    proof="`X-Webhook-Secret` is the secret",
    matches=_matches,
    example=Example(
        name="pushed models",
        setup="In the hub's settings create a webhook that watches your models, with this address, "
        "this secret and “Repo updates”.",
        job={
            "sparsity": 0.5,
            "dataset": "wikitext2",
            "gate": {"max": {"perplexity_ratio": 1.1}},
        },
        filter={
            "/event/scope": "repo.content",
            "/repo/type": "model",
            "/updatedRefs/0/ref": "refs/heads/main",
        },
        map={"model": "/repo/name", "revision": "/repo/headSha"},
        payload={
            "event": {"action": "update", "scope": "repo.content"},
            "repo": {"type": "model", "name": "our-org/our-model", "headSha": _COMMIT},
            "updatedRefs": [{"ref": "refs/heads/main", "newSha": _COMMIT}],
        },
    ),
)
