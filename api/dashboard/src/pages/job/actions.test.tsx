import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Route } from "wouter";
import { makeJob } from "../../testing.ts";
import { button, mount, press, type Shown, settle } from "../../testing-page.tsx";
import { type Answer, listing, service } from "../../testing-service.ts";
import { JobPage } from "./page.tsx";

const job = makeJob({ id: "job_1", status: "failed" });
let shown: Shown;
let deleted = (_: Answer) => {};

beforeEach(async () => {
  vi.useFakeTimers();
  history.replaceState(null, "", "/jobs/job_1");
  service.asked = [];
  service.reply = ({ pathname }, { method }) => {
    if (method === "DELETE")
      return new Promise((resolve) => {
        deleted = resolve;
      });
    if (pathname === "/v1/me") return [200, { scopes: ["admin"] }];
    if (pathname === "/v1/methods") return listing([], { presets: [] });
    return pathname === "/v1/jobs/job_1" ? [200, job] : listing([]);
  };
  shown = await mount(
    <Route path="/jobs/:id">
      <JobPage id="job_1" />
    </Route>,
  );
  await press(button(shown.box, "Delete"));
  await press(button(shown.box, "Delete the job"));
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

it("leaves the page of a job that was deleted, without a request for it", async () => {
  service.asked = [];
  deleted([200, null]);
  await settle();
  expect(location.pathname).toBe("/");
  expect(service.asked).not.toContain("/v1/jobs/job_1");
  expect(shown.queries.getQueryData(["job", "job_1"])).toBeUndefined();
});

it("leaves no other page, to which the reader has gone before the end of the deletion", async () => {
  act(() => history.pushState(null, "", "/new"));
  await settle();
  deleted([200, null]);
  await settle();
  expect(location.pathname).toBe("/new");
  expect(shown.queries.getQueryData(["job", "job_1"])).toBeUndefined();
});
