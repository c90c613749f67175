import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeJob, makeSpec } from "../../testing.ts";
import { choose, mount, type Shown, settle } from "../../testing-page.tsx";
import { listing, service } from "../../testing-service.ts";
import { Experts } from "./experts.tsx";

const experts = [
  {
    ...{ scores: [0.5, 0, 0.25, 2], tokens: [40, 0, 1200, 8], kept: [0, 3] },
    ...{ gate_removed: 0.125, unrouted: 0.01 },
  },
  {
    ...{ scores: [9, 1, 2, 3], tokens: [1, 2, 3, 4], kept: [0, 3] },
    ...{ gate_removed: 0.25, unrouted: 0 },
  },
];
const reports = experts.map((one, index) => ({
  index,
  name: `layers.${index}`,
  data: { sparsity: null, layers: [], experts: one },
}));

let shown: Shown;

beforeEach(() => {
  vi.useFakeTimers();
  service.asked.length = 0;
  service.reply = () => listing(reports);
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

const job = makeJob({ spec: makeSpec({ method: "experts", sparsity: 0 }) });
const slider = () => shown.box.querySelector("[role=slider]");
const text = () => slider()?.getAttribute("aria-valuetext");

async function key(name: string): Promise<void> {
  act(() => {
    slider()?.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  });
  await settle();
}

it("arrow keys read each expert of each layer, and stop at the ends", async () => {
  shown = await mount(<Experts job={job} />);
  expect(shown.box.querySelector("header")?.textContent).toContain("2 of 4 kept in 2 layers");
  expect(text()).toBe("Block 1, expert 0: score 0.5, 40 tokens, kept");
  await key("ArrowRight");
  expect(text()).toBe("Block 1, expert 1: score 0, 0 tokens, removed");
  expect(shown.box.querySelector(".chart-tip")?.textContent).toBe(
    "Block 1, expert 1score 0, 0 tokens, removed",
  );
  await key("End");
  await key("ArrowRight");
  await key("ArrowUp");
  expect(text()).toBe("Block 1, expert 3: score 2.00, 8 tokens, kept");
  await key("PageDown");
  expect(text()).toBe("Block 2, expert 3: score 3.00, 4 tokens, kept");
  expect(slider()?.getAttribute("aria-valuenow")).toBe("7");
});

it("shows the share of the gates' weight that each layer lost beside it", async () => {
  shown = await mount(<Experts job={job} />);
  const columns = [...shown.box.querySelectorAll(".expert-labels")].map((column) =>
    [...column.children].map((one) => one.textContent),
  );
  expect(columns).toEqual([
    ["1", "2"],
    ["12.5 %", "25.0 %"],
  ]);
});

it("has tables of the layers, and of the experts of a chosen one", async () => {
  shown = await mount(<Experts job={job} />);
  const details = shown.box.querySelector("details");
  act(() => {
    details?.setAttribute("open", "");
    details?.dispatchEvent(new Event("toggle"));
  });
  await settle();
  const rows = (at: number) =>
    [...(shown.box.querySelectorAll("table")[at]?.querySelectorAll("tbody tr") ?? [])].map((row) =>
      [...row.children].map((cell) => cell.textContent),
    );
  expect(rows(0)).toEqual([
    ["1", "2 of 4", "12.5 %", "1.00 %", "1"],
    ["2", "2 of 4", "25.0 %", "0 %", "0"],
  ]);
  expect(rows(1)[2]).toEqual(["2", "0.25", "1,200", "removed"]);
  await choose(shown.box.querySelector("select"), "1");
  expect(rows(1)[0]).toEqual(["0", "9.00", "1", "kept"]);
});

it("asks for nothing if the method removes no experts", async () => {
  shown = await mount(<Experts job={makeJob()} />);
  expect([shown.box.textContent, service.asked]).toEqual(["", []]);
});
