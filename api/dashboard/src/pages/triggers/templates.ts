/** For each source: a trigger to start from, a payload as it sends them, and how it is set up. */

import type { TriggerSource } from "../../api/triggers.ts";

export interface Template {
  label: string;
  name: string;
  setup: string;
  job: Record<string, unknown>;
  filter: Record<string, unknown>;
  map: Record<string, string>;
  payload: unknown;
}

const JOB = { sparsity: 0.5, dataset: "wikitext2" };
const COMMIT = "c379e821c9c95d613899e8c4343e4bfee2b0c600";

export const TEMPLATES: Record<TriggerSource, Template> = {
  huggingface: {
    label: "Hugging Face",
    name: "pushed models",
    setup:
      "In the hub's settings create a webhook that watches your models, with this address, this secret and “Repo updates”.",
    job: { ...JOB, gate: { max: { perplexity_ratio: 1.1 } } },
    filter: {
      "/event/scope": "repo.content",
      "/repo/type": "model",
      "/updatedRefs/0/ref": "refs/heads/main",
    },
    map: { model: "/repo/name", revision: "/repo/headSha" },
    payload: {
      event: { action: "update", scope: "repo.content" },
      repo: { type: "model", name: "our-org/our-model", headSha: COMMIT },
      updatedRefs: [{ ref: "refs/heads/main", newSha: COMMIT }],
    },
  },
  github: {
    label: "GitHub",
    name: "releases",
    setup:
      "In the repository's settings add a webhook with this address, the content type application/json, this secret and “Releases” as its only event.",
    job: { ...JOB, model: "our-org/our-model" },
    filter: { "/action": "published" },
    map: { revision: "/release/tag_name", "labels.repository": "/repository/full_name" },
    payload: {
      action: "published",
      release: { tag_name: "v1.0" },
      repository: { full_name: "our-org/our-model" },
    },
  },
  mlflow: {
    label: "MLflow",
    name: "new versions",
    setup:
      "Create a webhook for the event model_version.created with this address and this secret.",
    job: { ...JOB, model: "our-org/our-model" },
    filter: { "/entity": "model_version", "/action": "created" },
    map: { "labels.model": "/data/name", "labels.version": "/data/version" },
    payload: {
      entity: "model_version",
      action: "created",
      timestamp: "2026-01-05T09:30:00Z",
      data: { name: "our-model", version: "7", source: "models:/our-model/7" },
    },
  },
  standard: {
    label: "Standard Webhooks",
    name: "events",
    setup: "Let the sender sign its messages to this address with this secret.",
    job: { ...JOB },
    filter: { "/type": "model.published" },
    map: { model: "/data/model" },
    payload: {
      type: "model.published",
      timestamp: "2026-01-05T09:30:00Z",
      data: { model: "our-org/our-model" },
    },
  },
  generic: {
    label: "Anything that can POST",
    name: "nightly",
    setup:
      "POST JSON to this address with the header “Authorization: Bearer” and this secret; with an Idempotency-Key, a repeated call starts no second job.",
    job: { ...JOB },
    filter: {},
    map: { model: "/model" },
    payload: { model: "our-org/our-model" },
  },
};
export const SOURCES = Object.keys(TEMPLATES) as TriggerSource[];
