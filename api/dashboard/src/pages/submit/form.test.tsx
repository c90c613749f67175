import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Catalogue } from "../../api/methods.ts";
import {
  button,
  choose,
  field,
  mount,
  press,
  type Shown,
  settle,
  type,
} from "../../testing-page.tsx";
import { type Answer, refusal, service } from "../../testing-service.ts";
import { JobForm } from "./form.tsx";

const OPTIONS = {
  required: ["model", "sparsity", "dataset"],
  properties: {
    model: { type: "string" },
    dataset: { type: "string" },
    sparsity: { type: "number" },
    samples: { anyOf: [{ type: "integer" }, { type: "null" }], default: null },
    method: { default: "zpruner" },
    preset: { anyOf: [{ enum: ["best"], type: "string" }, { type: "null" }], default: null },
    skip: { type: "array", items: { type: "string" }, default: [] },
    prompts: { anyOf: [{ type: "array" }, { type: "null" }], default: null },
    uniform: { type: "boolean", default: true },
    output: { type: "array", items: { type: "object" }, default: [] },
  },
  "x-labels": { samples: "Calibration windows" },
  "x-first": ["model", "dataset", "sparsity", "preset"],
  "x-only-with": { sparsity: { method: ["zpruner"] }, samples: { method: ["zpruner"] } },
  "x-sections": { samples: "Calibration" },
};
const METHODS = ["zpruner", "admm", "none"].map((name) => ({
  ...{ name, title: name, fields: ["method"], options: OPTIONS },
}));
const CATALOGUE = {
  data: METHODS,
  presets: [{ name: "best", fields: { method: "admm" }, left_out: {} }],
  metrics: ["perplexity_ratio", "sparsity"],
} as unknown as Catalogue;

let shown: Shown;
const box = () => shown.box;
const view = (at: number) => box().querySelectorAll<HTMLInputElement>("input[name=view]")[at];
const text = () => box().querySelector("textarea");

beforeEach(async () => {
  vi.useFakeTimers();
  service.reply = () => refusal(422);
  shown = await mount(<JobForm catalogue={CATALOGUE} />);
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

it("is filled from pasted JSON, and keeps members without an input", async () => {
  const body = {
    gate: { max: { perplexity_ratio: 1.1 } },
    skip: ["a,b"],
    model: "org/m",
    dataset: "c4",
    sparsity: 0.6,
    labels: { team: "nlp" },
  };
  await press(view(1));
  await type(text(), '{"model": "org/m",');
  expect(view(0)?.disabled).toBe(true);
  await type(text(), JSON.stringify(body));
  await press(view(0));
  expect(field(box(), "Model")).toHaveProperty("value", "org/m");
  expect(field(box(), "Labels")).toHaveProperty("value", "team=nlp");
  expect(box().querySelector(".note")?.textContent).toContain("no input for skip");
  expect(box().querySelector("[aria-label='Limit of bound 1']")).toHaveProperty("value", "1.1");

  await type(field(box(), "Sparsity"), "0.7");
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).toEqual({ ...body, sparsity: 0.7 });
  await press(view(0));
  await press(button(box(), "Remove it"));
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).not.toHaveProperty("skip");
});

it("shows the inputs of a gate and an output that the service refuses", async () => {
  const body = { gate: { max: { perplexity_ratio: 1.1 }, min: null }, output: [null] };
  await press(view(1));
  await type(text(), JSON.stringify(body));
  await press(view(0));
  expect(field(box(), "Model")).toHaveProperty("value", "");
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).toEqual(body);
});

it("shows the method that a preset sets, and any other beside it", async () => {
  const chosen = () => box().querySelector<HTMLInputElement>("input[name=method]:checked")?.value;
  const shownJson = async () => {
    await press(view(1));
    const shownBody = JSON.parse(text()?.value ?? "");
    await press(view(0));
    return shownBody;
  };
  expect(chosen()).toBe("zpruner");
  await choose(field(box(), "Preset"), "best");
  expect(chosen()).toBe("admm");
  expect(await shownJson()).toEqual({ preset: "best" });
  await press(box().querySelector("input[value=zpruner]"));
  expect(await shownJson()).toEqual({ preset: "best", method: "zpruner" });
  expect(chosen()).toBe("zpruner");
});

it("accepts a gate, a priority and a sparsity in percent", async () => {
  await type(field(box(), "Model"), "org/m");
  await type(field(box(), "Sparsity"), "50 %");
  await type(field(box(), "Priority"), "3");
  await press(button(box(), "Add a bound"));
  await type(box().querySelector("[aria-label='Limit of bound 1']"), "1.1");
  await press(button(box(), "Add a bound"));
  await type(box().querySelector("[aria-label='Limit of bound 2']"), "50");
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).toEqual({
    model: "org/m",
    sparsity: 0.5,
    priority: 3,
    gate: { max: { perplexity_ratio: 1.1 }, min: { sparsity: 0.5 } },
  });
});

it("offers the confidence of a gate that bounds a metric with an interval", async () => {
  const bounds = { max: { "acc_drop.boolq": 0.02 } };
  expect(field(box(), "Confidence")).toBeUndefined();
  await press(button(box(), "Add a bound"));
  await press(view(1));
  await type(text(), JSON.stringify({ model: "org/m", gate: { ...bounds, confidence: 0.9 } }));
  await press(view(0));
  expect(field(box(), "Confidence")).toHaveProperty("value", "0.9");
  await type(field(box(), "Confidence"), "95 %");
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "").gate).toEqual({ ...bounds, confidence: 0.95 });
});

it("does not close a group while the user types in it", async () => {
  const windows = () => field(box(), "Calibration windows");
  const group = windows()?.closest("details");
  if (!group) throw new Error("it is in a group");
  expect(group.open).toBe(false);
  act(() => {
    group.open = true;
    group.dispatchEvent(new Event("toggle"));
  });
  await type(windows(), "8");
  await type(windows(), "");
  expect(group.open).toBe(true);
});

it("begins with model, text, reduction, preset and gate, and then the method", () => {
  const first = box().querySelector(".group");
  const labels = [...(first?.querySelectorAll("label") ?? [])].map((one) =>
    one.textContent?.trim(),
  );
  expect(labels).toEqual(["Model", "Dataset", "Sparsity", "Preset"]);
  expect(first?.querySelector(".gate")).not.toBeNull();
  expect(box().querySelectorAll(".group")[1]?.querySelector(".methods")).not.toBeNull();
});

it("chooses the recommended preset, which the request names", async () => {
  const [best] = CATALOGUE.presets;
  const presets = [{ ...best, recommended: true }];
  await shown.unmount();
  shown = await mount(<JobForm catalogue={{ ...CATALOGUE, presets } as Catalogue} />);
  const preset = field(box(), "Preset");
  expect(preset).toHaveProperty("value", "best");
  expect([...(preset?.children ?? [])].map((one) => one.textContent)).toEqual([
    "no preset",
    "best (recommended)",
  ]);
  expect(box().querySelector("input[name=method]:checked")).toHaveProperty("value", "admm");
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).toEqual({ preset: "best" });
});

it("has the fields of the chosen method, and leaves the others out of the request", async () => {
  await type(field(box(), "Sparsity"), "50 %");
  await type(field(box(), "Calibration windows"), "8");
  await press(box().querySelector("input[value=admm]"));
  expect(field(box(), "Sparsity")).toBeUndefined();
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).toEqual({ method: "admm" });
  await press(view(0));
});

it("has a checkbox for each flag", async () => {
  const flag = field(box(), "Uniform");
  expect([flag?.getAttribute("type"), (flag as HTMLInputElement).checked]).toEqual([
    "checkbox",
    true,
  ]);
  await press(flag);
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).toEqual({ uniform: false });
});

it("needs no sparsity where nothing is pruned", async () => {
  const body = { model: "org/m", dataset: "c4" };
  await press(view(1));
  await type(text(), JSON.stringify(body));
  expect(box().textContent).toContain("Still to fill inHow much is removed.");
  await type(text(), JSON.stringify({ ...body, method: "none" }));
  expect(box().textContent).not.toContain("Still to fill in");
});

it("names what a gate lacks, and waits with the check until it is there", async () => {
  await type(field(box(), "Model"), "org/m");
  await type(field(box(), "Dataset"), "c4");
  await type(field(box(), "Sparsity"), "0.5");
  const said = () => box().querySelector(".preview")?.textContent;
  const checks = () => service.count("dry_run");
  await settle(1000);
  const before = checks();
  await press(button(box(), "Add a bound"));
  await settle(1000);
  expect(said()).toContain("Still to fill inThe limit of each bound of the gate.");
  expect(checks()).toBe(before);
  expect(box().querySelector(".gate")?.textContent).toContain(
    "with 1.1, it predicts the text 10 %",
  );

  const detail = "gate.max.perplexity_ratio 'x': Input should be a valid number.";
  const errors = [{ pointer: "/gate/max/perplexity_ratio", code: "float", detail }];
  service.reply = () => [422, { ...(refusal(422)[1] as object), errors }];
  await type(box().querySelector("[aria-label='Limit of bound 1']"), "x");
  await settle(1000);
  const words = "perplexity ratio 'x': Input should be a valid number.";
  expect(said()).toContain(`One field needs a change: Gate.${words}`);
  expect(box().querySelector(".gate .problem")?.textContent).toBe(words);
});

it("shows advice once, the time alone, and less text where the estimate is long", async () => {
  const fast = { name: "fast", fields: {}, left_out: {} };
  const seconds = { p50: 86_400, p90: 90_000 };
  const seconds_alone = { p50: 13_200, p90: 14_000 };
  const memory = { host_bytes: 1, device_bytes: 0, scratch_bytes: 0 };
  const windows = { calibration: 128, seq_len: 2048, evaluation: 157 };
  const model = { parameters: 1e8, blocks: 30 };
  const cost = { p50: 60, p90: 62.5, currency: "EUR" };
  const known = { memory, windows, model, cost, artifact_bytes: 1, queue: null };
  const advice = ["preset balanced reached 40.8"];
  const times = { seconds, seconds_alone, basis: null };
  const estimate = { status: "ready", fits: true, recovery: null, advice, ...times, ...known };
  const spec = { samples: null, eval_samples: null };
  const preview = { spec, queue: "h100", warnings: [], advice, identical_job_id: null };
  service.reply = ({ pathname }) => [200, pathname === "/v1/estimates" ? estimate : preview];
  await shown.unmount();
  const presets = [...CATALOGUE.presets, fast];
  shown = await mount(<JobForm catalogue={{ ...CATALOGUE, presets } as Catalogue} />);
  await type(field(box(), "Model"), "org/m");
  await type(field(box(), "Dataset"), "c4");
  await type(field(box(), "Sparsity"), "0.5");
  await settle(2000);
  expect(box().textContent).toContain("60.0 EUR, likely below 62.5");
  expect(box().textContent?.split("preset balanced reached 40.8")).toHaveLength(2);
  const both = "Time now24 h 0 min, likely below 25 h 0 minWhen the machine is free3 h 40 min";
  expect(box().textContent).toContain(both);
  await press(button(box(), "Use preset fast"));
  expect(field(box(), "Calibration windows")).toHaveProperty("value", "16");
  expect(field(box(), "Preset")).toHaveProperty("value", "fast");
});

it("leaves no other page, to which the reader has gone before the response", async () => {
  const submitted = async () => {
    let respond = (_: Answer) => {};
    service.reply = ({ searchParams }) =>
      searchParams.get("dry_run") === "true"
        ? refusal(422)
        : new Promise((resolve) => {
            respond = resolve;
          });
    await type(field(box(), "Model"), "org/m");
    await type(field(box(), "Dataset"), "c4");
    await type(field(box(), "Sparsity"), "0.5");
    await press(button(box(), "Submit job"));
    return () => respond([201, { id: "job_1", status: "queued" }]);
  };
  history.replaceState(null, "", "/new");
  (await submitted())();
  await settle();
  expect(location.pathname).toBe("/jobs/job_1");

  const respond = await submitted();
  await shown.unmount();
  history.replaceState(null, "", "/datasets");
  respond();
  await settle();
  expect(location.pathname).toBe("/datasets");
});

it("has a text area for each prompt, which commas do not divide", async () => {
  const areas = () => [...box().querySelectorAll<HTMLTextAreaElement>(".text-row textarea")];
  await type(field(box(), "Prompts"), "Once upon a time, there was a");
  await press(button(box(), "Add another"));
  await type(areas()[1], "Yes, and");
  expect(areas().map((one) => one.value)).toEqual(["Once upon a time, there was a", "Yes, and"]);
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "").prompts).toEqual([
    "Once upon a time, there was a",
    "Yes, and",
  ]);
  await press(view(0));
  await press(button(box(), "Remove"));
  expect(areas().map((one) => one.value)).toEqual(["Yes, and"]);
});
