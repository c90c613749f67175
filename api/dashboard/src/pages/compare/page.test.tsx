// @vitest-environment happy-dom

import { expect, it, vi } from "vitest";
import { makeJob } from "../../testing.ts";
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
