/** Factories of jobs and events for tests. */

import type { Job, Spec } from "./api/client.ts";
import type { LiveEvent } from "./api/live-events.ts";

export function makeSpec(overrides: Partial<Spec> = {}): Spec {
  return {
    model: "local:tiny",
    sparsity: 0.5,
    ratio: null,
    uniform: true,
    steps: null,
    keep_dataset: null,
    keep_text_field: null,
    dataset: "local:text.txt",
    revision: null,
    method: "zpruner",
    scope: null,
    pattern: null,
    solver: "none",
    correction: null,
    damping: null,
    allocation: "uniform",
    refine: null,
    recover: null,
    quantize: null,
    rotate: null,
    binarize: null,
    skip: [],
    propagation: "fused",
    samples: null,
    seq_len: null,
    seed: 0,
    dtype: "auto",
    text_field: null,
    model_secret: null,
    eval_dataset: null,
    eval_text_field: null,
    eval_samples: null,
    tasks: null,
    task_limit: null,
    generate: false,
    prompts: null,
    rank_answers: null,
    benchmark: false,
    expect: null,
    output: [],
    ...overrides,
  } as Spec;
}

export function makeJob(overrides: Partial<Job> = {}): Job {
  return {
    id: "job_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b",
    name: null,
    labels: {},
    parent_id: null,
    priority: 0,
    status: "running",
    phase: "pruning",
    progress: { fraction: 0.25, block: null, eta_seconds: { p50: 10, p90: 12 } },
    spec: makeSpec(),
    attempt: 1,
    worker: "gpu@host/1",
    device: "cpu",
    result: null,
    error: null,
    warnings: [],
    created_at: "2026-01-05T09:30:00Z",
    updated_at: "2026-01-05T09:31:00Z",
    started_at: "2026-01-05T09:30:02Z",
    finished_at: null,
    links: {},
    verdict: "none",
    gate: null,
    gate_failures: [],
    sweep_id: null,
    seconds: null,
    size_bytes: null,
    pinned: false,
    created_by: null,
    queue: "gpu",
    ...overrides,
  } as Job;
}

export function makeEvent(overrides: Partial<LiveEvent> = {}): LiveEvent {
  return {
    job_id: "job_01920c3b5f7a7c3e8a4d2b1f6e5d4c3b",
    seq: 3,
    at: "2026-01-05T09:31:00Z",
    kind: "progress",
    status: "running",
    phase: "pruning",
    attempt: 1,
    data: {},
    ...overrides,
  } as LiveEvent;
}
