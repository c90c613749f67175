// @vitest-environment happy-dom

import { expect, it, vi } from "vitest";
import { makeJob, makeSpec } from "../../testing.ts";
import { mount, settle } from "../../testing-page.tsx";
import { type Answer, listing, service } from "../../testing-service.ts";
import { Configuration } from "./configuration.tsx";

it("shows all fields of the request, and commands without removed options", async () => {
  vi.useFakeTimers();
  service.reply = () => listing([]);
  const gate = { max: { perplexity_ratio: 1.1 }, min: { sparsity: 0.5 } };
  const prompts = ["Once upon a time, there was a", "Yes, and"];
  const spec = makeSpec({
    generate: true,
    prompts,
    expect: { calibration: "1f", "version/torch": "2" },
  });
  const job = makeJob({
    spec,
    gate: { ...gate, confidence: null },
    queue: "big",
    deadline: "2020-01-05T09:30:00Z",
  });
  const { box } = await mount(<Configuration job={job} />);
  const facts = box.querySelector(".facts")?.textContent;
  expect(facts).toContain("gateperplexity_ratio at most 1.1, sparsity at least 0.5");
  expect(facts).toContain("queuebig");
  expect(facts).toContain("expect2 inputs and versions");
  expect(facts).toContain("deadline2020-01-05T09:30:00Z");
  const texts = [...box.querySelectorAll(".texts li")].map((one) => one.textContent);
  expect(texts).toEqual(prompts);
  const command = box.querySelector("pre")?.textContent;
  expect(command).toContain('"gate":{"max":{"perplexity_ratio":1.1},"min":{"sparsity":0.5}}');
  expect(command).toContain('"queue":"big"');
  expect(command).not.toContain("deadline");
});

it("has the reduction in place of a sparsity of zero", async () => {
  vi.useFakeTimers();
  service.reply = () => listing([]);
  const job = makeJob({ spec: makeSpec({ sparsity: 0, method: "neurons" }), reduction: 0.22 });
  const { box } = await mount(<Configuration job={job} />);
  const facts = box.querySelector(".facts")?.textContent;
  expect(facts).toContain("reduction22.0 %");
  expect(facts).not.toContain("sparsity");
});

it("shows no field as chosen before the defaults are known", async () => {
  vi.useFakeTimers();
  const options = { properties: { method: { default: "zpruner" }, scope: { default: "matrix" } } };
  let answer = (_: Answer) => {};
  service.reply = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const spec = makeSpec({ method: "zpruner", scope: "row" });
  const { box } = await mount(<Configuration job={makeJob({ spec })} />);
  expect(box.querySelector(".facts")).toBeNull();
  answer(listing([{ name: "zpruner", title: "Z-Pruner", fields: ["method"], options }]));
  await settle();
  const facts = box.querySelector(".facts")?.textContent;
  expect(facts).toContain("scoperow");
  expect(facts).not.toContain("zpruner");
});
