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
    if (id) return [200, makeJob({ id, result: { pruned_perplexity: id === "a" ? 8 : 9 } })];
    if (pathname === "/v1/compare") return [200, { comparable: can, reasons: can ? [] : ["No."] }];
    return listing([]);
  };
  const { box, unmount } = await mount(<ComparePage />);
  expect(box.textContent?.includes("(best)")).toBe(can);
  expect(box.textContent?.includes("+12.5 %")).toBe(can);
  await unmount();
});
