import { expect, it, vi } from "vitest";
import type { JobEvent } from "../../api/client.ts";
import { makeEvent, makeJob } from "../../testing.ts";
import { mount } from "../../testing-page.tsx";
import { Result } from "./result.tsx";
import { PhaseStepper } from "./stepper.tsx";

const at = (second: number) => new Date(Date.UTC(2026, 0, 5, 9, 30, second)).toISOString();
const phase = (name: string, second: number) =>
  makeEvent({ kind: "phase", phase: name as JobEvent["phase"], at: at(second) });

it("says that the phase of pruning has more than the time of pruning alone", async () => {
  vi.useFakeTimers();
  const result = { prune_seconds: 15, evaluate_seconds: 54, pruned_perplexity: 9 };
  const job = makeJob({ status: "succeeded", finished_at: at(69), result });
  const events = [phase("pruning", 0), phase("evaluating", 56)];
  const { box, unmount } = await mount(
    <>
      <PhaseStepper job={job} events={events} />
      <Result job={job} />
    </>,
  );
  const steps = [...box.querySelectorAll(".stepper li")].map((one) => one.textContent);
  expect(steps).toContain("pruning, done56 sand measuring each block");
  expect(steps).toContain("evaluating, done13 safter the last block");
  const facts = [...box.querySelectorAll("dl > div")].map((one) => one.textContent);
  expect(facts).toContain("Pruning alone15 s");
  expect(facts).toContain("Evaluation windows alone54 s");
  await unmount();
  vi.useRealTimers();
});
