// @vitest-environment happy-dom

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LiveConnection } from "./connection.ts";
import { LiveStore, type Mode } from "./state.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    const late = new AbortController();
    setTimeout(() => late.abort(), ms); // the browser's own does not follow a false clock
    return late.signal;
  });
  const locks = { request: (_name: string, _options: object, lead: () => unknown) => lead() };
  vi.stubGlobal("navigator", { locks });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Connect to a service whose stream is open and silent. */
async function connect(probe: () => Promise<Response>): Promise<LiveStore> {
  vi.stubGlobal("fetch", async (path: string, { signal }: { signal: AbortSignal }) =>
    path === "/healthz"
      ? Promise.race([probe(), aborted(signal)])
      : new Response(new ReadableStream()),
  );
  const state = new LiveStore();
  new LiveConnection(state, { event: () => {}, gap: () => {} }).start();
  await vi.advanceTimersByTimeAsync(0);
  expect(state.get().mode).toBe("live");
  return state;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
}

it("is offline within five seconds if the service does not respond", async () => {
  const state = await connect(() => new Promise(() => {}));
  await vi.advanceTimersByTimeAsync(5000);
  expect(state.get().mode).toBe("offline");
});

it("is slow and not offline if every response takes seconds", async () => {
  const state = await connect(
    () => new Promise((done) => setTimeout(() => done(new Response()), 2500)),
  );
  const seen = new Set<Mode>();
  state.subscribe(() => seen.add(state.get().mode));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(state.get().isSlow).toBe(true);
  expect(seen).not.toContain("offline");
});

it("asks a service that is not reachable less and less often, at last once a minute, and at once with a new network", async () => {
  let asked = 0;
  vi.stubGlobal("fetch", async () => {
    asked += 1;
    throw new TypeError("refused");
  });
  const count = async (ms: number) => {
    asked = 0;
    await vi.advanceTimersByTimeAsync(ms);
    return asked;
  };
  const state = new LiveStore();
  new LiveConnection(state, { event: () => {}, gap: () => {} }).start();
  const minutes = [await count(60_000), await count(60_000), await count(300_000)];
  expect(state.get().mode).toBe("offline");
  expect(minutes[0]).toBeGreaterThan(10);
  expect(minutes[0]).toBeLessThan(25);
  expect(minutes[1]).toBeLessThan(6);
  expect(minutes[2]).toBe(10); // the stream and the probe
  dispatchEvent(new Event("online"));
  expect(await count(1000)).toBeGreaterThan(3);
});
