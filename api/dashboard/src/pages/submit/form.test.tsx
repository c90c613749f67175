// @vitest-environment happy-dom

import { act } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Method } from "../../api/client.ts";
import { button, field, mount, press, type Shown, type } from "../../testing-page.tsx";
import { refusal, service } from "../../testing-service.ts";
import { JobForm } from "./form.tsx";

const OPTIONS = {
  required: ["model", "sparsity", "dataset"],
  properties: {
    model: { type: "string" },
    dataset: { type: "string" },
    sparsity: { type: "number" },
    samples: { anyOf: [{ type: "integer" }, { type: "null" }], default: null },
    method: { default: "zpruner" },
  },
};
const METHOD = { name: "zpruner", title: "Z-Pruner", fields: ["method"], options: OPTIONS };

let shown: Shown;
const box = () => shown.box;
const view = (at: number) => box().querySelectorAll<HTMLInputElement>("input[name=view]")[at];
const text = () => box().querySelector("textarea");

beforeEach(async () => {
  vi.useFakeTimers();
  service.reply = () => refusal(422);
  shown = await mount(<JobForm methods={[METHOD as unknown as Method]} />);
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

it("is filled by what was pasted as JSON, and keeps what it has no field for", async () => {
  const body = {
    gate: { max: { perplexity_ratio: 1.1 } },
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
  expect(box().querySelector(".note")?.textContent).toContain("no input for gate");

  await type(field(box(), "Sparsity"), "0.7");
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).toEqual({ ...body, sparsity: 0.7 });
  await press(view(0));
  await press(button(box(), "Remove it"));
  await press(view(1));
  expect(JSON.parse(text()?.value ?? "")).not.toHaveProperty("gate");
});

it("does not close a group in which one types", async () => {
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

it("needs no sparsity where nothing is pruned", async () => {
  const body = { model: "org/m", dataset: "c4" };
  await press(view(1));
  await type(text(), JSON.stringify(body));
  expect(box().textContent).toContain("Three fields are required");
  await type(text(), JSON.stringify({ ...body, method: "none" }));
  expect(box().textContent).not.toContain("Three fields are required");
});
