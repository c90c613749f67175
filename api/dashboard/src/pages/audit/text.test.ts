import { expect, it } from "vitest";
import { inWords, targetOf } from "./text.ts";

const ID = "01a213c2171576c48c37b7c0cae70a8c";

it("describes an action as a sentence", () => {
  expect(inWords("describe_job")).toBe("Describe job");
});

it("links to what has a page, and to nothing else", () => {
  expect(targetOf(`/v1/jobs/job_${ID}/cancel`)).toEqual({
    text: `jobs/job_${ID}/cancel`,
    page: `/jobs/job_${ID}`,
  });
  expect(targetOf(`/v1/sweeps/swp_${ID}`).page).toBe(`/sweeps/swp_${ID}`);
  expect(targetOf(`/v1/webhooks/whk_${ID}/rotate`).page).toBe(`/webhooks/whk_${ID}`);
  expect(targetOf("/v1/keys")).toEqual({ text: "keys", page: null });
  expect(targetOf("/v1/jobs/job_javascript:alert(1)").page).toBeNull();
});
