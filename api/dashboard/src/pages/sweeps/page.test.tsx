import { expect, it, vi } from "vitest";
import { makeJob, makeSpec } from "../../testing.ts";
import { mount } from "../../testing-page.tsx";
import { listing, service } from "../../testing-service.ts";
import { SweepPage } from "./page.tsx";

const measured = { reduction: 0.5, sparsity: 0.5, removed: null, perplexity: 47, on_front: true };
const state = { progress: 1, verdict: "pass" };
const POINTS = [
  { job_id: "a", varied: { ratio: 0.1 }, status: "succeeded", ...state, ...measured },
  { job_id: "b", varied: { ratio: 0.2 }, status: "queued", ...state, perplexity: null },
];
const SWEEP = {
  ...{ id: "s", name: "", labels: {}, max_parallel: null, created_at: "2026-01-05T09:30:00Z" },
  ...{ total: 2, counts: { succeeded: 1, queued: 1 }, is_final: false, points: POINTS },
  ...{ gate: { max: { perplexity_ratio: 3 }, min: {} }, best: "a", front: ["a"] },
  dense: { perplexity: null, measured: 0, shared: 0 },
};

it("shows model, text, windows, intervals, and points that are postponed as such", async () => {
  vi.useFakeTimers();
  const until = "2126-01-05T09:40:00Z";
  const error = { title: "The hub cannot be reached" };
  const spec = makeSpec({ model: "org/big", dataset: "wikitext2", samples: 16, seq_len: 512 });
  const protocol = { dataset: "wikitext2", windows: 4, tokens: 8000 };
  const result = { protocol, intervals: { pruned_perplexity: [46.1, 48.2] } };
  const jobs = [
    makeJob({ id: "a", status: "succeeded", spec, result }),
    makeJob({
      ...{ id: "b", status: "queued", spec, not_before: until },
      postponed: { until, attempt: 4, attempts: 6, error },
    } as never),
  ];
  service.reply = ({ pathname }) => {
    if (pathname === "/v1/me") return [200, { scopes: ["admin"] }];
    if (pathname.startsWith("/v1/sweeps/")) return [200, SWEEP];
    return listing(pathname === "/v1/jobs" ? jobs : []);
  };
  const { box, unmount } = await mount(<SweepPage id="s" />);
  const text = box.textContent ?? "";
  expect(text).toContain("Modelorg/big");
  expect(text).toContain("Textwikitext2");
  expect(text).toContain("Windows16 of 512 tokens");
  expect(text).toContain("Perplexity measured onwikitext2: 8,000 tokens in 4 windows");
  expect(text).toContain("1 postponed");
  expect(text).not.toContain("1 queued");
  expect(text).toContain("attempt 4 of 6: the hub cannot be reached");
  expect(text).toContain("Perplexity47.0 (46.1 to 48.2)");
  expect(text).toContain("10 %");
  await unmount();
});
