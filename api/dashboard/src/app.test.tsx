import { act } from "preact/test-utils";
import { expect, it, vi } from "vitest";
import { App, queries } from "./app.tsx";
import { goLive } from "./live/index.ts";
import { live } from "./live/state.ts";
import { field, mount, press, settle, type } from "./testing-page.tsx";
import { listing, refusal, service } from "./testing-service.ts";

// With a false clock, nothing waits until the code of a page is there.
await Promise.all([import("./pages/submit/page.tsx"), import("./pages/workers/page.tsx")]);

const OPTIONS = {
  required: ["model", "sparsity", "dataset"],
  properties: {
    model: { type: "string" },
    sparsity: { type: "number" },
    dataset: { type: "string" },
    method: { default: "zpruner" },
  },
  "x-labels": { dataset: "Calibration text" },
};
const METHOD = { name: "zpruner", title: "Z-Pruner", fields: ["method"], options: OPTIONS };

it("asks for a key where the browser has no Web Locks, and keeps the typed text until there is one", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("navigator", { onLine: true }); // as over plain HTTP from another machine
  const keys = new Set<string | null>(["Bearer old", "Bearer new"]);
  service.reply = ({ pathname }, request) => {
    if (pathname === "/healthz") return [200, {}];
    if (!keys.has(request.headers.get("authorization"))) return refusal(401);
    return pathname === "/v1/methods"
      ? listing([METHOD], { presets: [], metrics: [] })
      : refusal(422);
  };
  const signIn = async (key: string) => {
    await type(box.querySelector("input[type=password]"), key);
    await press(box.querySelector(".sign-in button"));
    await settle(3000);
  };
  history.replaceState(null, "", "/new");
  goLive(queries);

  const { box } = await mount(<App />);
  await settle(3000);
  expect(live.get().mode).toBe("signed-out");
  expect(box.querySelector("h1")?.textContent).toBe("Sign in");
  await signIn("old");
  expect(live.get().mode).toBe("polling");
  expect(box.querySelector(".sign-in")).toBeNull();
  await type(field(box, "Model"), "org/half-typed");

  keys.delete("Bearer old");
  await type(field(box, "Calibration text"), "c4");
  await type(field(box, "Sparsity"), "0.5");
  await settle(3000);
  expect(live.get().mode).toBe("signed-out");
  service.asked.length = 0;
  await settle(10_000);
  expect(service.asked).toEqual([]);
  expect(box.querySelector(".sign-in .problem")).not.toBeNull();
  await signIn("new");

  expect(box.querySelector(".sign-in")).toBeNull();
  expect(field(box, "Model")).toHaveProperty("value", "org/half-typed");
  expect(document.title).toBe("New job · Z-Pruner");
});

it("does not mistake a proxy's responses for the service's, and asks nothing else until it is back", async () => {
  service.reply = () => refusal(502);
  const { lastContactAt } = live.get();
  act(() => history.replaceState(null, "", "/workers")); // asks every few seconds
  await settle(10_000);
  expect(service.count("/v1/workers")).toBeGreaterThan(0);
  expect(live.get()).toMatchObject({ mode: "offline", lastContactAt });
  service.asked.length = 0;
  await settle(60_000);
  expect(service.asked.filter((path) => path !== "/healthz")).toEqual([]);
  service.reply = () => listing([]);
  await settle(60_000);
  expect(live.get().mode).toBe("polling");
  expect(service.count("/v1/workers")).toBeGreaterThan(2);
});
