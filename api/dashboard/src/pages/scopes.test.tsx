import type { ReactNode } from "react";
import { beforeEach, expect, it, vi } from "vitest";
import { makeJob } from "../testing.ts";
import { button, mount, settle } from "../testing-page.tsx";
import { listing, service } from "../testing-service.ts";
import { DatasetsPage } from "./datasets/list.tsx";
import { DatasetPage } from "./datasets/page.tsx";
import { SweepsPage } from "./sweeps/list.tsx";
import { NewSweepPage } from "./sweeps/new.tsx";
import { SweepPage } from "./sweeps/page.tsx";

const POINT = {
  ...{ job_id: "a", varied: { ratio: 0.1 }, status: "succeeded", progress: 1, verdict: "pass" },
  ...{ reduction: 0.5, sparsity: 0.5, removed: null, perplexity: 47, on_front: true },
};
const SWEEP = {
  ...{ id: "s", name: "", labels: {}, max_parallel: null, created_at: "2026-01-05T09:30:00Z" },
  ...{ total: 1, counts: { succeeded: 1 }, is_final: false, points: [POINT] },
  ...{ gate: { max: { perplexity_ratio: 3 }, min: {} }, best: "a", front: ["a"] },
  dense: { perplexity: null, measured: 0, shared: 0 },
};
const DATASET = {
  ...{ id: "d", dataset: "uploaded:d", name: "a.txt", media_type: "text/plain", sha256: "" },
  ...{ size_bytes: 4, approximate_tokens: 1, created_at: "2026-01-05T09:30:00Z" },
  ...{ fields: [], lines: [], jobs: [] },
};

let scopes: string[];

beforeEach(() => {
  vi.useFakeTimers();
  service.reply = ({ pathname }) => {
    if (pathname === "/v1/me") return [200, { scopes }];
    if (pathname === "/v1/methods") return listing([], { presets: [], metrics: [] });
    if (pathname === "/v1/sweeps/s") return [200, SWEEP];
    if (pathname === "/v1/datasets/d") return [200, DATASET];
    return listing(pathname === "/v1/jobs" ? [makeJob({ id: "a" })] : []);
  };
});

const PAGES: [name: string, page: ReactNode, scope: string, what: string][] = [
  ["/sweeps", <SweepsPage key="1" />, "jobs:write", "New sweep"],
  ["/sweeps/new", <NewSweepPage key="2" />, "jobs:write", "Submit sweep"],
  ["/sweeps/s", <SweepPage key="3" id="s" />, "jobs:write", "Cancel"],
  ["the best point of /sweeps/s", <SweepPage key="4" id="s" />, "artifacts:read", "Download"],
  ["/datasets", <DatasetsPage key="5" />, "jobs:write", "Choose a file"],
  ["/datasets/d", <DatasetPage key="6" id="d" />, "jobs:write", "Delete"],
];

it.each(PAGES)("%s offers what the key may do alone", async (_name, page, scope, what) => {
  scopes = ["jobs:read"];
  const without = await mount(page);
  await settle();
  const lacking = `Your key lacks the scope ${scope}`;
  expect(without.box.textContent?.split(lacking).length).toBe(2);
  expect(without.box.textContent).not.toContain(what);
  expect(button(without.box, what)).toBeUndefined();
  await without.unmount();

  scopes = ["jobs:read", scope];
  const having = await mount(page);
  await settle();
  expect(having.box.textContent).toContain(what);
  expect(having.box.textContent).not.toContain(lacking);
  await having.unmount();
});
