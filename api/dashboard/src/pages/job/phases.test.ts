import { expect, it } from "vitest";
import type { JobEvent } from "../../api/client.ts";
import { makeEvent, makeJob, makeSpec } from "../../testing.ts";
import { attemptsOf, stepsOf } from "./phases.ts";

const at = (second: number) => new Date(Date.UTC(2026, 0, 5, 9, 30, second)).toISOString();
const phase = (name: string, second: number, attempt = 1) =>
  makeEvent({ kind: "phase", phase: name as JobEvent["phase"], at: at(second), attempt });

it("a running job's phases are over, current and ahead, with the seconds each has taken", () => {
  const events = [phase("resolving", 0), phase("loading", 2), phase("pruning", 5)];
  const steps = stepsOf(makeJob(), events, new Date(at(11)).getTime());
  expect(steps.map(({ state, seconds }) => [state, seconds])).toEqual([
    ["done", 2],
    ["done", 3],
    ["skipped", null],
    ["current", 6],
    ["ahead", null],
    ["ahead", null],
  ]);
});

it("a phase that comes again has the seconds of all its times", () => {
  const events = [phase("pruning", 0), phase("evaluating", 4), phase("pruning", 5)];
  const steps = stepsOf(makeJob(), events, new Date(at(11)).getTime());
  const seen = steps.filter(({ seconds }) => seconds !== null);
  expect(seen.map(({ phase, state, seconds }) => [phase, state, seconds])).toEqual([
    ["pruning", "current", 10],
    ["evaluating", "done", 1],
  ]);
});

it("a job that ended stops the clock, and one that failed says where", () => {
  const job = makeJob({ status: "failed", finished_at: at(9) });
  const steps = stepsOf(job, [phase("resolving", 0), phase("loading", 2)], Date.now());
  expect(steps.slice(0, 3).map(({ state, seconds }) => [state, seconds])).toEqual([
    ["done", 2],
    ["stopped", 7],
    ["ahead", null],
  ]);
});

it("phases of an earlier attempt are not this one's", () => {
  const events = [phase("resolving", 0), phase("pruning", 5), phase("resolving", 20, 2)];
  const steps = stepsOf(makeJob({ attempt: 2 }), events, new Date(at(21)).getTime());
  expect(steps.map(({ state }) => state)).toEqual([
    "current",
    "ahead",
    "ahead",
    "ahead",
    "ahead",
    "ahead",
  ]);
});

it("attempts show the worker, the blocks that were kept and the outcome", () => {
  const status = (state: string, attempt: number, data = {}) =>
    makeEvent({ kind: "status", status: state as JobEvent["status"], attempt, data });
  const events = [
    status("queued", 0),
    status("running", 1, { worker: "a/1", device: "cpu" }),
    status("queued", 1, { reason: "worker_lost" }),
    status("running", 2, { worker: "b/2", device: "cuda:0" }),
    makeEvent({ kind: "resumed", attempt: 2, data: { resumed_from_block: 7 } }),
    makeEvent({ kind: "resumed", attempt: 2, data: { resumed_from_step: 12 } }),
    status("queued", 2, { reason: "postponed", error: { title: "The hub cannot be reached" } }),
    status("running", 3, { worker: "b/2", device: "cuda:0" }),
    status("cancelling", 3),
    status("cancelled", 3),
  ];
  expect(attemptsOf(events)).toMatchObject([
    { number: 1, worker: "a/1", ended: "worker lost", keptBlocks: null },
    {
      number: 2,
      worker: "b/2",
      device: "cuda:0",
      ended: "postponed: the hub cannot be reached",
      keptBlocks: 7,
      keptSteps: 12,
    },
    { number: 3, ended: "cancelled" },
  ]);
});

it("only a job with recovery has its phase", () => {
  const names = (recover: object | null) =>
    stepsOf(makeJob({ spec: makeSpec({ recover } as never) }), [], 0).map(({ phase }) => phase);
  expect(names(null)).not.toContain("recovering");
  expect(names({ kind: "masked" }).slice(-2)).toEqual(["recovering", "packaging"]);
});

it("only a job whose model writes text has a phase for it", () => {
  const names = (mix: object[]) =>
    stepsOf(makeJob({ spec: makeSpec({ mix } as never) }), [], 0).map(({ phase }) => phase);
  expect(names([{ dataset: "c4", generated: false, share: 0.5 }])).not.toContain("writing");
  const written = names([{ dataset: null, generated: true, share: 0.5 }]);
  expect(written.slice(1, 4)).toEqual(["loading", "writing", "calibrating"]);
});

const block = (index: number, attempt: number) =>
  makeEvent({ data: { fraction: 0.1, block: { index, total: 16, name: "b" } }, attempt });
const pruning = (steps: ReturnType<typeof stepsOf>) => steps.find((one) => one.phase === "pruning");

it("a job that was queued again has begun no phase, and shows the blocks that it keeps", () => {
  const events = [phase("resolving", 0), phase("pruning", 5), block(0, 1), block(6, 1)];
  const queued = stepsOf(makeJob({ status: "queued", attempt: 1 }), events, Date.now());
  expect(queued.map(({ state }) => state)).toEqual([
    "ahead",
    "ahead",
    "ahead",
    "kept",
    "ahead",
    "ahead",
  ]);
  expect(pruning(queued)?.kept).toEqual({ blocks: 7, total: 16 });

  const next = stepsOf(makeJob({ attempt: 2 }), [...events, phase("loading", 20, 2)], Date.now());
  expect(next[1]?.state).toBe("current");
  expect(pruning(next)).toMatchObject({ state: "kept", kept: { blocks: 7, total: 16 } });
});

it("an attempt says itself what it found of the earlier one", () => {
  const found = makeEvent({ kind: "resumed", attempt: 2, data: { resumed_from_block: 5 } });
  const events = [phase("pruning", 5), block(6, 1), phase("pruning", 20, 2)];
  const kept = (more: JobEvent[]) =>
    pruning(stepsOf(makeJob({ attempt: 2 }), [...events, ...more], Date.now()))?.kept;
  expect(kept([found])).toEqual({ blocks: 5, total: 16 });
  expect(kept([block(0, 2)])).toBeNull(); // it has begun with the first block
});
