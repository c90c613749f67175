"""Examples of sweeps, comparisons and estimates."""

from pydantic import JsonValue

from api.web.examples.ids import ESTIMATE_ID, JOB_ID, SWEEP_ID
from api.web.examples.jobs import JOB, SPEC
from db.spec.advice import advice
from db.spec.prune_spec import PruneSpec

SWEEP: dict[str, JsonValue] = {
    "model": "meta-llama/Llama-3.1-8B",
    "dataset": "c4",
    "grid": {"sparsity": [0.4, 0.5, 0.6], "method": ["zpruner", "wanda"]},
    "max_parallel": 2,
}

SWEPT: dict[str, JsonValue] = {
    "id": SWEEP_ID,
    "name": None,
    "labels": {},
    "model": "meta-llama/Llama-3.1-8B",
    "max_parallel": 2,
    "created_at": "2026-01-05T09:30:00Z",
    "total": 1,
    "counts": {"succeeded": 1},
    "is_final": True,
    "links": {
        "self": f"/v1/sweeps/{SWEEP_ID}",
        "cancel": f"/v1/sweeps/{SWEEP_ID}/cancel",
        "jobs": f"/v1/jobs?sweep={SWEEP_ID}",
    },
    "points": [
        {
            "job_id": JOB_ID,
            "varied": {"sparsity": 0.5, "method": "zpruner"},
            "status": "succeeded",
            "progress": 1.0,
            "verdict": "pass",
            "reduction": 0.5,
            "sparsity": 0.5,
            "removed": None,
            "perplexity": 9.72,
            "perplexity_ratio": 1.125,
            "on_front": True,
        }
    ],
    "front": [JOB_ID],
    "gate": {"max": {"perplexity_ratio": 1.15}},
    "best": JOB_ID,
    "dense": {"perplexity": 8.64, "measured": 1, "shared": 0},
}

COMPARISON: dict[str, JsonValue] = {
    "comparable": True,
    "reasons": [],
    "differences": {"sparsity": [0.5, 0.6]},
    "jobs": [
        {
            "id": JOB_ID,
            "name": None,
            "status": "succeeded",
            "verdict": "none",
            "obstacles": [],
            "reduction": 0.5,
            "metrics": {"pruned_perplexity": 9.72},
            "deltas": {"pruned_perplexity": 0.0},
        },
        {
            "id": "job_01920c41d2e07b6a9c8f3e2d1a0b9c8d",
            "name": None,
            "status": "succeeded",
            "verdict": "none",
            "obstacles": [],
            "reduction": 0.6,
            "metrics": {"pruned_perplexity": 11.3},
            "deltas": {"pruned_perplexity": 1.58},
        },
    ],
}

ESTIMATE: dict[str, JsonValue] = {
    "id": ESTIMATE_ID,
    "status": "ready",
    "spec": JOB["spec"],
    "model": {
        "name": "meta-llama/Llama-3.1-8B",
        "revision": "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b",
        "parameters": 8030261248,
        "blocks": 32,
    },
    "fits": True,
    "refusal": None,
    "queue": "gpu",
    "memory": {
        "host_bytes": 3400000000,
        "device_bytes": 5200000000,
        "scratch_bytes": 2147483648,
    },
    "seconds": {"p50": 310.0, "p90": 372.0, "jobs": 41},
    "seconds_alone": None,
    "cost": {"p50": 0.2153, "p90": 0.2583, "currency": "USD", "hourly_price": 2.5},
    "basis": {
        "speed_measured_at": "2026-02-03T09:12:44Z",
        "speed_was_busy": False,
        "jobs": 41,
        "correction": 1.1,
        "slowdown": 1.0,
        "text": "The machine's speed was measured on 2026-02-03 at 09:12 UTC. 41 "
        "finished jobs of this size have corrected the time (times 1.1).",
    },
    "recovery": None,
    "artifact_bytes": 16060522496,
    "computed_on": {"device": "cuda", "dtype": "bfloat16"},
    "setting": {"propagation": "fused", "batch_tokens": 16384, "spills": True},
    "windows": {
        "calibration": 128,
        "evaluation": 256,
        "seq_len": 2048,
        "evaluation_seq_len": 2048,
        "training": 0,
        "held_out": 0,
    },
    "advice": list(advice(PruneSpec.model_validate(SPEC))),
    "hints": list(advice(PruneSpec.model_validate(SPEC))),
    "warnings": [],
    "identical_job_id": None,
}

EXAMPLES: dict[str, dict[str, JsonValue]] = {
    "SweepRequest": SWEEP,
    "SweepRead": SWEPT,
    "Comparison": COMPARISON,
    "EstimateRead": ESTIMATE,
}
