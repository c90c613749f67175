import { expect, it, vi } from "vitest";
import schema from "../../../../../zpruner/cli/prune_spec.json";
import { makeJob, makeSpec } from "../../testing.ts";
import { mount, settle } from "../../testing-page.tsx";
import { type Answer, listing, refusal, service } from "../../testing-service.ts";
import { Configuration } from "./configuration.tsx";

const METHODS = [{ name: "zpruner", title: "Z-Pruner", fields: ["method"], options: schema }];
const BEST = {
  name: "best",
  fields: {
    ...{ method: "admm", allocation: "owl", refine: true, recover: "masked" },
    mix: [{ generated: true, share: 0.5 }],
  },
  recommended: false,
  left_out: {
    allocation: { pattern: [], ratio: [], method: ["experts", "neurons"] },
    ...{ recover: { method: ["experts"] }, mix: { method: ["experts"] } },
  },
};
const CATALOGUE = listing(METHODS, { presets: [BEST] });

it("shows all fields of the request, and commands without removed options", async () => {
  vi.useFakeTimers();
  service.reply = () => CATALOGUE;
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
  expect(facts).toContain("Gateperplexity ratio ≤ 1.1, sparsity ≥ 50 %");
  expect(facts).toContain("Queuebig");
  expect(facts).toContain("Expected2 inputs and versions");
  expect(facts).toContain("DeadlineJan 5, 2020, 09:30:00 UTC");
  const texts = [...box.querySelectorAll(".texts li")].map((one) => one.textContent);
  expect(texts).toEqual(prompts);
  const command = box.querySelector("pre")?.textContent;
  expect(command).toContain('"gate":{"max":{"perplexity_ratio":1.1},"min":{"sparsity":0.5}}');
  expect(command).toContain('"queue":"big"');
  expect(command).not.toContain("deadline");
});

it("has the reduction in place of a sparsity of zero", async () => {
  vi.useFakeTimers();
  service.reply = () => CATALOGUE;
  const job = makeJob({ spec: makeSpec({ sparsity: 0, method: "neurons" }), reduction: 0.22 });
  const { box } = await mount(<Configuration job={job} />);
  const facts = box.querySelector(".facts")?.textContent;
  expect(facts).toContain("Reduction22.0 %");
  expect(facts).not.toContain("Sparsity");
});

/** Return the request that curl sends, without the fields that every request has. */
async function repeated(job: Parameters<typeof makeJob>[0]): Promise<object> {
  const { box, unmount } = await mount(<Configuration job={makeJob(job)} />);
  const [, written = ""] = /-d '(.*)'/s.exec(box.querySelector("pre")?.textContent ?? "") ?? [];
  await unmount();
  const { model, sparsity, dataset, propagation, ...others } = JSON.parse(written);
  return others;
}

it("repeats a job with all that differs from its preset, be it a default without one", async () => {
  vi.useFakeTimers();
  service.reply = () => CATALOGUE;
  const off = { refine: null, recover: null, mix: [], allocation: "uniform" as const };
  const best = { preset: "best", ...off } as const;
  expect(await repeated({ spec: makeSpec({ ...best, method: "zpruner" }) })).toEqual({
    ...best,
    method: "zpruner",
  });
  const set = { preset: "best", method: "admm", allocation: "owl", refine: null } as const;
  const own = { recover: null, mix: [], samples: 8 };
  expect(await repeated({ spec: makeSpec({ ...set, ...own }) })).toEqual({
    preset: "best",
    refine: null,
    ...own,
  });
  const neurons = { preset: "best", method: "neurons", ratio: 0.25, refine: null } as const;
  expect(await repeated({ spec: makeSpec({ ...neurons, allocation: "uniform", ...own }) })).toEqual(
    {
      ...neurons, // the service leaves the allocation out, too
      ...own,
    },
  );
  service.reply = () => refusal(503); // without the presets, all is said
  expect(await repeated({ spec: makeSpec(best) })).toMatchObject({ ...best, seed: 0 });
});

it("repeats a job with the bounds of its cost and of its worker's memory", async () => {
  vi.useFakeTimers();
  service.reply = () => CATALOGUE;
  expect(await repeated({ spec: makeSpec(), max_cost: 2.5, min_memory_gb: 80 })).toEqual({
    max_cost: 2.5,
    min_memory_gb: 80,
  });
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
  const method = { name: "zpruner", title: "Z-Pruner", fields: ["method"], options };
  answer(listing([method], { presets: [] }));
  await settle();
  const facts = box.querySelector(".facts")?.textContent;
  expect(facts).toContain("Scoperow");
  expect(facts).toContain("Methodzpruner"); // what was done, be it by default
  expect(facts).not.toContain("Seed");
});

it("shows members of objects by their labels, sizes with their units, and uploads by their names", async () => {
  vi.useFakeTimers();
  const upload = {
    kind: "uploaded",
    id: "dat_1",
    dataset: "uploaded:dat_1",
    name: "stories.jsonl",
  };
  service.reply = ({ pathname }) => (pathname === "/v1/datasets" ? listing([upload]) : CATALOGUE);
  const spec = makeSpec({
    dataset: "uploaded:dat_1",
    eval_dataset: "uploaded:dat_gone0001",
    model: "job:job_01a22bd5e3367724a0cf37b97941a11b",
    recover: { kind: "masked", tokens: 12_288, lr: null, kl: 1, temperature: 1 },
    target: { memory: 24e9, context: 8192 },
  } as never);
  const { box } = await mount(<Configuration job={makeJob({ spec })} />);
  const facts = [...box.querySelectorAll(".facts > div")].map((one) => one.textContent);
  for (const fact of [
    "Datasetstories.jsonl",
    "Eval datasetupload gone0001",
    "Modelresult of 7941a11b",
    "Recovermasked",
    "Recover tokens12,288",
    "Target24 GB with 8,192 tokens",
  ])
    expect(facts).toContain(fact);
  const links = [...box.querySelectorAll(".facts a")].map((one) => one.getAttribute("href"));
  expect(links).toContain("/datasets/dat_1");
});
