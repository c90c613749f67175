"""Examples of other responses, such as new keys, previews and pages, and of event streams."""

from dataclasses import asdict
from typing import Any

from pydantic import JsonValue

from api.web.examples import access, files, ids, integrations, jobs, planning
from db.spec.catalogue import METHODS
from db.spec.prune_spec import PruneSpec

_SUMMARY = {
    key: planning.SWEPT[key]
    for key in planning.SWEPT
    if key not in ("points", "front", "gate", "best", "dense")
}
_FULL_SPEC = PruneSpec.model_validate(jobs.SPEC).model_dump(mode="json")
_METRICS: dict[str, JsonValue] = {
    "sparsity": 0.5,
    "dense_perplexity": 8.64,
    "pruned_perplexity": 9.72,
    "perplexity_ratio": 1.125,
}
_USE = {
    **{"jobs": 42, "succeeded": 39, "failed": 3, "worker_hours": 17.5, "worker_seconds": 63000.0},
    "cost": 43.75,
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Health": {"status": "ok"},
    "Readiness": {"status": "ready", "workers": ["gpu@host"]},
    "NewKey": access.KEY | {"key": "zpr_01920c3a9d4b7f6e8c1a2b3c4d5e6f70_…"},
    "NewWebhook": integrations.WEBHOOK | {"secret": "whsec_…"},
    "NewTrigger": integrations.TRIGGER | {"secret": "whsec_…"},
    "TriggerTest": {"outcome": "submitted", "reason": None, "job": jobs.PREVIEW},
    "DeliveryDetail": integrations.DELIVERY
    | {
        "body": '{"specversion":"1.0","type":"job.succeeded"}',
        "log": [integrations.DELIVERY_ATTEMPT],
    },
    "EstimatePending": {"id": ids.ESTIMATE_ID, "status": "pending", "spec": _FULL_SPEC},
    "AnyEventPage": {
        "data": [jobs.ANY_EVENT],
        "next_cursor": None,
        "has_more": False,
        "pruned": 0,
    },
    "SweepPage": {"data": [_SUMMARY], "next_cursor": None, "has_more": False},
    "SweepPreview": {
        "name": None,
        "labels": {},
        "max_parallel": 2,
        "gate": None,
        "total": 1,
        "points": [{"varied": {"sparsity": 0.5}, "spec": _FULL_SPEC}],
        "warnings": [],
    },
    "BlockRead": {
        "index": 7,
        "name": "model.layers.7",
        "attempt": 1,
        "data": {"sparsity": 0.5, "output_error": 0.0312, "seconds": 3.1},
    },
    "MethodPage": {
        "data": [asdict(METHODS[0]) | {"fields": ["method"], "options": {"type": "object"}}],
        "presets": [
            {
                "name": "fast",
                "fields": {"method": "wanda"},
                "recommended": False,
                "left_out": {},
            }
        ],
        "metrics": ["perplexity_ratio", "sparsity"],
        "next_cursor": None,
        "has_more": False,
    },
    "PeriodUseRead": {
        "after": "2026-01-05T00:00:00Z",
        "before": "2026-01-12T00:00:00Z",
        "currency": "USD",
        "total": _USE | {"name": ""},
        "methods": [_USE | {"name": "wanda"}],
        "keys": [_USE | {"name": ids.KEY_ID}],
        "labels": [_USE | {"name": "team=nlp"}],
    },
    "DatasetPage": {"data": [files.DATASET], "next_cursor": None, "has_more": False},
}
"""Examples keyed by the name of their schema."""

_STREAM = 'event: phase\nid: 3\ndata: {"seq":3,"kind":"phase","status":"running"}\n\n'
_TABLES: dict[str, JsonValue] = {
    "jobs": "id,name,status\r\njob_01,wanda at 50 %,succeeded\r\n",
    "sweeps": "id,name,total\r\nswp_01,sparsities,4\r\n",
    "workers": "id,name,state\r\nwrk_01,gpu@host,idle\r\n",
    "webhooks": "id,url,enabled\r\nwhk_01,https://example.com/hook,true\r\n",
    "triggers": "id,name,source\r\ntrg_01,on push,github\r\n",
    "use": "by,name,jobs,worker_hours,cost\r\nlabel,team=nlp,42,17.5,43.75\r\n",
}
_FIGURES = '# TYPE zpruner_queue_depth gauge\nzpruner_queue_depth{queue="gpu"} 3.0\n'
CONTENTS: dict[tuple[str, str], JsonValue] = {
    **{(f"/v1/{name}.csv", "text/csv"): table for name, table in _TABLES.items()},
    ("/v1/jobs/{job_id}/events", "text/event-stream"): _STREAM,
    ("/v1/events", "text/event-stream"): _STREAM,
    (
        "/v1/jobs/{job_id}/logs",
        "text/plain",
    ): "2026-01-05 09:31:46 INFO worker.attempts.run: pruning\n",
    ("/v1/jobs/{job_id}/metrics", "application/json"): _METRICS,
    ("/v1/jobs/{job_id}/manifest", "application/json"): {"spec": _FULL_SPEC, "metrics": _METRICS},
    ("/v1/jobs/{job_id}/provenance", "application/json"): {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "config.json", "digest": {"sha256": files.ARTIFACT["sha256"]}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"externalParameters": _FULL_SPEC},
            "runDetails": {"metadata": {"invocationId": ids.JOB_ID}},
        },
    },
    ("/metrics", "text/plain"): _FIGURES,
    ("/metrics", "application/openmetrics-text"): f"{_FIGURES}# EOF\n",
}
"""Examples of content that has no named schema, keyed by path and media type."""
