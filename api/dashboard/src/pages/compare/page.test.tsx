import { expect, it, vi } from "vitest";
import { makeJob, makeSpec } from "../../testing.ts";
import { mount } from "../../testing-page.tsx";
import { listing, service } from "../../testing-service.ts";
import { ComparePage } from "./page.tsx";

it.each([true, false])("calls a figure the best only of what can be compared: %s", async (can) => {
  vi.useFakeTimers();
  history.replaceState(null, "", "/compare?ids=a,b");
  service.reply = ({ pathname }) => {
    const [, id] = /^\/v1\/jobs\/(.)$/.exec(pathname) ?? [];
    const value = id === "a" ? 8 : 9;
    const intervals = { perplexity_ratio: [value / 8 - 0.01, value / 8 + 0.01] };
    const result = { sparsity: 0.5, pruned_perplexity: value, intervals };
    if (id) return [200, makeJob({ id, status: "succeeded", result, reduction: 0.5 })];
    const jobs = [
      { id: "a", obstacles: [] },
      { id: "b", obstacles: can ? [] : ["The models differ."] },
    ];
    if (pathname === "/v1/compare") return [200, { jobs }];
    return listing([]);
  };
  const { box, unmount } = await mount(<ComparePage />);
  expect(box.textContent?.includes("(best at 50.0 %)")).toBe(can);
  expect(box.textContent?.includes("+12.5 %")).toBe(can);
  expect(box.textContent?.includes("The models differ.")).toBe(!can);
  await unmount();
});

it("has jobs as rows from five on, their gates, texts side by side, and the sparsest that passes", async () => {
  vi.useFakeTimers();
  const open = async (ids: string[]) => {
    history.replaceState(null, "", `/compare?ids=${ids.join(",")}`);
    return mount(<ComparePage />);
  };
  service.reply = ({ pathname }) => {
    const [, id, report] = /^\/v1\/jobs\/([a-e])(\/manifest)?$/.exec(pathname) ?? [];
    const said = { greedy: `said by ${id}`, sampled: "" };
    if (report) {
      const dense = { greedy: "said by dense", sampled: "" };
      return [200, { generation: [{ prompt: "Once, there was", dense, pruned: said }] }];
    }
    const more = {
      ...{ reduction: id === "b" ? 0.6 : 0.5, verdict: "pass", status: "succeeded" },
      ...{ gate: { max: { perplexity_ratio: 1.2 }, min: {} }, spec: makeSpec({ generate: true }) },
      result: { sparsity: 0.5, pruned_perplexity: 8 },
    };
    if (id) return [200, makeJob({ id, name: `job ${id}`, ...more } as never)];
    if (pathname === "/v1/compare") return [200, { jobs: [] }];
    return listing([]);
  };
  const few = await open(["a", "b", "c"]);
  const heads = (box: ParentNode, scope: string) =>
    [...box.querySelectorAll(`[aria-label="Metrics of the jobs"] th[scope=${scope}]`)].map(
      (one) => one.textContent,
    );
  expect(heads(few.box, "col")).toHaveLength(3);
  expect(heads(few.box, "row")[0]).toBe("Gate");
  expect(few.box.textContent).toContain("Sparsest that passes: job b b, reduction 60.0 %");
  expect(few.box.textContent).toContain("gate passedperplexity ratio ≤ 1.2");
  const texts = few.box.querySelector('[aria-label="Texts of the jobs"] tbody tr');
  expect([...(texts?.children ?? [])].map((one) => one.textContent)).toEqual([
    "Once, there wasDense: said by dense",
    ...["said by a", "said by b", "said by c"],
  ]);
  await few.unmount();
  const many = await open(["a", "b", "c", "d", "e"]);
  expect(heads(many.box, "row")).toHaveLength(5);
  expect(heads(many.box, "col")[0]).toBe("Gate");
  await many.unmount();
});

it("shows no change where the baseline has no figure", async () => {
  vi.useFakeTimers();
  history.replaceState(null, "", "/compare?ids=a,b");
  service.reply = ({ pathname }) => {
    const [, id] = /^\/v1\/jobs\/(.)$/.exec(pathname) ?? [];
    const result = { sparsity: 0.5, kl: { [`${id}.txt`]: 0.5 } };
    if (id) return [200, makeJob({ id, status: "succeeded", result, reduction: 0.5 })];
    const jobs = ["a", "b"].map((one) => ({ id: one, obstacles: [] }));
    return pathname === "/v1/compare" ? [200, { jobs }] : listing([]);
  };
  const { box, unmount } = await mount(<ComparePage />);
  const rows = [...box.querySelectorAll("tr")].map((row) => row.textContent);
  expect(rows).toContain("Divergence on b.txt–0.5");
  await unmount();
});
