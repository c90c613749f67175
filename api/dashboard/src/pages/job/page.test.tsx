import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { applyEvent } from "../../api/cache.ts";
import { startPolling } from "../../live/poller.ts";
import { LiveStore } from "../../live/state.ts";
import { makeEvent, makeJob, makeSpec } from "../../testing.ts";
import { mount, type Shown, settle } from "../../testing-page.tsx";
import { type Answer, listing, refusal, service } from "../../testing-service.ts";
import { JobPage } from "./page.tsx";

const job = makeJob({ id: "job_1", status: "succeeded" });
const rerun = makeJob({ id: "job_2", name: "again", status: "queued", parent_id: "job_1" });

let answers: Record<string, Answer | Promise<Answer>>;
let shown: Shown;

beforeEach(async () => {
  vi.useFakeTimers();
  service.asked.length = 0;
  answers = {
    "/v1/jobs/job_1": [200, job],
    "/v1/jobs": listing([rerun]),
    "/v1/me": [200, { scopes: ["admin"] }],
    "/v1/methods": listing([], { presets: [] }),
  };
  service.reply = ({ pathname }) => answers[pathname] ?? listing([]);
});
afterEach(async () => {
  await shown.unmount();
  vi.useRealTimers();
});

function poll(): void {
  const state = new LiveStore();
  state.setMode("polling");
  startPolling(shown.queries, state);
}

/** Let the service describe parts of a result. */
function describeParts(...described: object[]): void {
  const shown = described.map((part) => ({ title: "", facts: {}, table: [], note: "", ...part }));
  const methods = [{ name: "a", fields: [], options: { "x-results": shown } }];
  answers["/v1/methods"] = listing(methods, { presets: [] });
}

const card = (title: string) =>
  [...shown.box.querySelectorAll(".card")].find(
    (one) => one.querySelector("h2")?.textContent === title,
  );

it("shows the progress of its reruns, with a stream and without", async () => {
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Reruns")?.textContent).toContain("queued");

  answers["/v1/jobs"] = listing([{ ...rerun, status: "running" }]);
  applyEvent(shown.queries, makeEvent({ job_id: "job_2", kind: "status", status: "running" }));
  await settle();
  expect(card("Reruns")?.textContent).toContain("running");

  answers["/v1/jobs"] = listing([{ ...rerun, status: "failed" }]);
  poll();
  await settle(3000);
  expect(card("Reruns")?.textContent).toContain("failed");
});

it("shows position in the queue, time left and kept blocks", async () => {
  const line = () => shown.box.querySelector(".progress-line")?.textContent;
  const block = { index: 7, total: 32, name: "layers.7" };
  const update = (fields: object) => {
    answers["/v1/jobs/job_1"] = [200, { ...job, ...fields }];
  };
  update({
    status: "queued",
    progress: { fraction: 0, block: null, eta_seconds: null },
    queue_position: 3,
  });
  shown = await mount(<JobPage id="job_1" />);
  expect(line()).toContain("number 3 in the queue");

  update({
    status: "queued",
    progress: { fraction: 0, block: null, eta_seconds: null },
    queue_position: 2,
  });
  await settle(6000); // no event says it
  expect(line()).toContain("number 2 in the queue");

  const eta_seconds = { p50: 90, p90: 130, untimed: ["generated text", "zero-shot tasks"] };
  update({ status: "running", progress: { fraction: 0.25, block, eta_seconds } });
  await settle(6000);
  expect(line()).toContain("8 of 32 blocks");
  expect(line()).toContain(
    "about 1 min 30 s left, likely below 2 min 10 s, without generated text and zero-shot tasks",
  );
  await settle(131_000); // no estimate has replaced it
  expect(line()).toContain("takes longer than expected, without generated text");

  update({ status: "paused", progress: { fraction: 0.25, block, eta_seconds: null } });
  shown.queries.invalidateQueries({ queryKey: ["job"] });
  await settle();
  expect(line()).toContain("8 of 32 blocks kept");
});

it("says when and why a postponed job tries again, and that no worker serves its queue", async () => {
  const until = new Date(Date.now() + 20 * 60_000).toISOString();
  const hint = "Name a local folder.";
  const error = { title: "The hub cannot be reached", detail: "No response.", hint };
  const queued = {
    ...{ ...job, status: "queued", not_before: until },
    postponed: { until, attempt: 4, attempts: 6, error },
  };
  answers["/v1/jobs/job_1"] = [200, queued];
  answers["/v1/queues"] = listing([{ name: "gpu", workers: 0 }]);
  shown = await mount(<JobPage id="job_1" />);
  const time = new Date(until).toLocaleTimeString(undefined, {
    ...{ hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  });
  const line = () => shown.box.querySelector(".progress-line")?.textContent;
  expect(line()).toContain(
    `no worker serves the queue gpu; tries again at ${time}, attempt 4 of 6: the hub cannot be reached`,
  );
  expect(shown.box.querySelector("h1 .pill")?.textContent).toBe("postponed");
  expect(shown.box.querySelector(".note")?.textContent).toContain(
    "No response.Name a local folder.",
  );

  answers["/v1/queues"] = listing([{ name: "gpu", workers: 1 }]);
  answers["/v1/jobs/job_1"] = [200, { ...queued, queue_position: 1 }];
  await settle(20 * 60_000);
  expect(line()).toContain("%waits for a worker, number 1 in the queue");
  expect(shown.box.querySelector("h1 .pill")?.textContent).toBe("queued");
});

it("shows tasks by their datasets' names, a missed bound with its interval, and an overlap", async () => {
  const task = "uploaded:dat_1";
  const interval = { low: 0.03, high: 0.07, confidence: 0.95 };
  const missed = { metric: `acc_drop.${task}`, bound: "max", wanted: 0.02, got: 0.05, interval };
  const result = {
    ...{ acc: { [task]: 0.6 }, dense_acc: { [task]: 0.65 }, acc_drop_stderr: { [task]: 0.01 } },
    eval_overlap: 0.25,
  };
  answers["/v1/jobs/job_1"] = [200, { ...job, result, verdict: "fail", gate_failures: [missed] }];
  answers["/v1/datasets"] = listing([{ dataset: task, name: "tickets" }]);
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Zero-shot tasks")?.textContent).toContain("tickets65.0 % 60.0 % −5.0 points ± 2.0");
  const warnings = [...shown.box.querySelectorAll(".note")].map((one) => one.textContent).join();
  expect(warnings).toContain("at most 0.02, but is 0.05 (95 % interval 0.03 to 0.07)");
  expect(warnings).toContain("25.0 % of the evaluation text was also");

  const warned = ["25.0 % of the evaluation text was also in the text of the calibration."];
  answers["/v1/jobs/job_1"] = [200, { ...job, result, warnings: warned }];
  shown.queries.invalidateQueries({ queryKey: ["job"] });
  await settle();
  expect(shown.box.textContent?.split("of the evaluation text was also")).toHaveLength(2);

  answers["/v1/jobs/job_1"] = [200, { ...job, result: { ...result, eval_overlap: 0.01 } }];
  shown.queries.invalidateQueries({ queryKey: ["job"] });
  await settle();
  expect(shown.box.textContent).not.toContain("of the evaluation text was also");
});

it("shows a table of figures with their errors, and a note, as the service describes them", async () => {
  const cells = [
    "{dense_ranker:share}{/ranking_stderr.dense_ranker:error}",
    "{pruned_ranker:share}",
  ];
  describeParts({
    group: "ranking",
    title: "Ranking of answers",
    table: [
      ["Right answers", "Dense", "Pruned"],
      ["Chosen by the ranker", ...cells],
      [
        "Any of them is right",
        "{dense_any:share}{/ranking_stderr.dense_any:error}",
        "{none:share}",
      ],
    ],
    note: "Of {questions:count} questions, {parameters:count} parameters.",
  });
  const ranking = { dense_ranker: 0.5, pruned_ranker: 0.25, dense_any: 0.75 };
  const counts = { questions: 50, parameters: 61_000 };
  const ranking_stderr = { dense_ranker: 0.05 };
  const result = { ranking: { ...ranking, ...counts }, ranking_stderr };
  answers["/v1/jobs/job_1"] = [200, { ...job, result }];
  shown = await mount(<JobPage id="job_1" />);
  const text = card("Ranking of answers")?.textContent;
  expect(text).toContain("Right answersDensePruned");
  expect(text).toContain("Chosen by the ranker50.0 % ± 9.8 %25.0 %");
  expect(text).toContain("Any of them is right75.0 %–");
  expect(text).toContain("Of 50 questions, 61,000 parameters.");
});

it("shows the losses of a refined block", async () => {
  const refinement = { held_out_before: 0.25, held_out_after: 0.125 };
  const data = { sparsity: 0.5, refinement, layers: [] };
  answers["/v1/jobs/job_1/blocks"] = listing([{ index: 0, name: "layers.0", data }]);
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Blocks")?.textContent).toContain("held-out loss 0.25 → 0.125");
});

it("shows which channels and blocks were removed, and how many parameters are left", async () => {
  const channels = {
    name: "mlp.down_proj",
    units: 48,
    count: 5,
    ranges: [
      [3, 7],
      [9, 10],
    ],
  };
  const expert = { name: "mlp.experts.0.down_proj", units: 24, count: 8, ranges: [] };
  answers["/v1/jobs/job_1/blocks"] = listing([
    { index: 0, name: "layers.0", data: { is_dropped: true, distance: 0.125, layers: [] } },
    { index: 1, name: "layers.1", data: { sparsity: 0, removed: [channels, expert], layers: [] } },
  ]);
  const sizes = { weights_bytes: 14_000, dense_weights_bytes: 17_000 };
  const result = { parameters: 7000, parameters_removed: 1500, sparsity: 0, ...sizes };
  answers["/v1/jobs/job_1"] = [200, { ...job, result }];
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Blocks")?.textContent).toContain("13 of 72 units removed");
  expect(card("Blocks")?.textContent).toContain("mlp.down_proj: 5 of 48 3–6, 9");
  expect(card("Result")?.textContent).toContain("Parameters7,000 of 8,500");
  expect(card("Result")?.textContent).toContain("Weight files14.0 kB of 17.0 kB");
  expect(card("Result")?.textContent).not.toContain("Sparsity");
});

it("says that units which were removed in place make the model no smaller", async () => {
  const spec = { ...job.spec, method: "adapt", uniform: false };
  const result = { parameters: 7000, parameters_removed: 0, sparsity: 0.25 };
  answers["/v1/jobs/job_1"] = [200, { ...job, spec, result }];
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Result")?.textContent).toContain("neither smaller nor faster");
  expect(card("Result")?.textContent).toContain("Sparsity25");
});

it("shows the errors of matrices, and the weights of the one that is chosen", async () => {
  const histogram = { limit: 1, before: [1, 2, 2, 1], after: [1, 0, 0, 1] };
  const matrix = { zeros: 4, weights: 6, expert: null, part: null, fallback: null, error: 0.25 };
  const layers = ["q.weight", "k.weight"].map((name) => ({ ...matrix, name, histogram }));
  const data = { sparsity: 0.5, output_error: 0.5, layers };
  answers["/v1/jobs/job_1/blocks"] = listing([{ index: 0, name: "layers.0", data }]);
  shown = await mount(<JobPage id="job_1" />);
  const charts = () =>
    [...(card("Blocks")?.querySelectorAll("[role=slider]") ?? [])].map((one) =>
      one.getAttribute("aria-label"),
    );
  expect(card("Blocks")?.querySelector("table")?.textContent).toContain("0.25");
  expect(charts()).toEqual(["Blocks", "Weights of q.weight", "Error by block"]);

  const button = [...(card("Blocks")?.querySelectorAll("button") ?? [])];
  button.find((one) => one.textContent === "k.weight")?.click();
  await settle();
  expect(charts()).toContain("Weights of k.weight");
  const radios = [...(card("Blocks")?.querySelectorAll<HTMLInputElement>("[type=radio]") ?? [])];
  radios.at(-1)?.click();
  await settle();
  expect(charts()).toContain("Error by block and matrix");
});

it("says in what a target is counted, and what of a block's experts stays", async () => {
  describeParts({ group: "target", title: "Target", facts: { "At most": "{limit:size}" } });
  const result = { target: { limit: 24_000 } };
  const spec = makeSpec({ method: "experts", target: { memory: 24_000 } as never });
  answers["/v1/jobs/job_1"] = [200, { ...job, spec, result }];
  const experts = { scores: [1, 2, 3], tokens: [4, 5, 6], kept: [1, 2], gate_removed: 0.1 };
  const data = { sparsity: null, coverage: 0, layers: [], experts };
  answers["/v1/jobs/job_1/blocks"] = listing([{ index: 0, name: "layers.0", data }]);
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Target")?.textContent).toContain("At most24.0 kB");
  expect(card("Experts by layer")?.textContent).toContain("2 of 3 kept in 1 layer");
  expect(card("Blocks")?.textContent).toContain("2 of 3 experts kept");
  expect(card("Blocks")?.textContent).not.toMatch(/sparse|covered|matrices/);
});

it("shows the methods that a job has compared, and where its scores came from", async () => {
  const row = (name: string) => [
    name,
    `{candidates.${name}.size:size}`,
    `{candidates.${name}.kept:yes}`,
  ];
  const table = [["Candidate", "Size", "Kept"], row("neurons"), row("heads"), row("depth")];
  describeParts({ group: "target", title: "Target", table });
  const candidates = { neurons: { size: 24_000, kept: 0 }, depth: { size: 23_000, kept: 1 } };
  const spec = makeSpec({ method: "neurons", target: { parameters: 24_000 } as never });
  const result = { target: { candidates }, scores_known: true };
  answers["/v1/jobs/job_1"] = [200, { ...job, spec, result }];
  shown = await mount(<JobPage id="job_1" />);
  const rows = [...(card("Target")?.querySelectorAll("tr") ?? [])];
  expect(rows.map((one) => [...one.children].map((cell) => cell.textContent))).toEqual([
    ["Candidate", "Size", "Kept"],
    ["neurons", "24,000 parameters", "no"],
    ["depth", "23,000 parameters", "yes"],
  ]);
  expect(card("Result")?.textContent).toContain("Scores of the dense modelmeasured by an earlier");
  await shown.unmount();
  answers["/v1/jobs/job_1"] = [200, { ...job, spec, result: { target: { size: 1 } } }];
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Target")?.querySelector("table")).toBeNull();
  expect(card("Result")?.textContent).not.toContain("Scores of");
});

it("shows the texts that both models generate, most likely or drawn", async () => {
  const text = (name: string) => ({
    greedy: `${name} likely`,
    sampled: `${name} drawn${"\n".repeat(9)}`,
  });
  const texts = [{ prompt: "Once", dense: text("dense"), pruned: text("pruned") }];
  answers["/v1/jobs/job_1/manifest"] = [200, { generation: texts }];
  answers["/v1/jobs/job_1"] = [200, { ...job, spec: makeSpec({ generate: true }) }];
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Generated text")?.textContent).toMatch(/Once.*dense likely.*pruned likely/);
  card("Generated text")?.querySelectorAll<HTMLInputElement>("[type=radio]")[1]?.click();
  await settle();
  expect(card("Generated text")?.textContent).toMatch(
    /Once.*drawn\s\[9 line breaks\].*pruned drawn/s,
  );
});

it("shows both models' speed as bars, and says so if there is no speed-up", async () => {
  const figures = { dense_decode_tokens_per_second: 20, pruned_decode_tokens_per_second: 30 };
  const memory = { dense_memory_bytes: 0, pruned_memory_bytes: 4096, memory_ratio: null };
  const summary = ["Generating: no speed-up, 1.5 times the speed (0.9 to 1.6)."];
  const speed = { ...figures, decode_ratio: 1.5, ...memory, summary };
  answers["/v1/jobs/job_1"] = [200, { ...job, result: { speed, weights_bytes_ratio: 1 } }];
  shown = await mount(<JobPage id="job_1" />);
  const bars = [...(card("Speed")?.querySelectorAll(".bars") ?? [])];
  expect(bars.map((one) => one.getAttribute("aria-label"))).toEqual(["Generating, tokens/s"]);
  expect(bars[0]?.textContent).toBe("Dense20.0Pruned30.0 (× 1.50)");
  expect(card("Speed")?.textContent).toContain("no speed-up");
});

it("draws what the text says, and is green or red only where the interval says so", async () => {
  const speed = {
    ...{ dense_decode_tokens_per_second: 41.66, pruned_decode_tokens_per_second: 38.5 },
    ...{ dense_prefill_tokens_per_second: 100, pruned_prefill_tokens_per_second: 120 },
    ...{ decode_ratio: 1.03, prefill_ratio: 1.2 },
    intervals: { decode_ratio: [0.9, 1.1], prefill_ratio: [1.1, 1.3] },
  };
  const intervals = { perplexity_ratio: [1.4, 1.6] };
  const perplexities = { dense_perplexity: 20, pruned_perplexity: 30, intervals };
  answers["/v1/jobs/job_1"] = [200, { ...job, result: { speed, ...perplexities } }];
  shown = await mount(<JobPage id="job_1" />);
  const bars = (title: string) =>
    [...(card(title)?.querySelectorAll(".bars li:last-child") ?? [])].map((row) => [
      row.querySelector(".figure")?.textContent,
      row.querySelector("rect")?.getAttribute("class"),
      row.querySelector("rect")?.getAttribute("width"),
    ]);
  expect(bars("Speed")).toEqual([
    ["120 (× 1.20)", "is-succeeded", "100"],
    ["38.5 (× 1.03)", null, "100"],
  ]);
  expect(bars("Result")).toEqual([["30.0", "is-failed", "100"]]);
});

it("shows how many items a task has, its chance level, and an interval where all are right", async () => {
  const of = (task: string, whole: number) => ({ [task]: whole });
  const result = {
    ...{ acc: of("arc_easy", 1), dense_acc: of("arc_easy", 0.7), items: of("arc_easy", 10) },
    ...{ acc_stderr: of("arc_easy", 0), mcnemar_p: of("arc_easy", 0.25) },
    acc_drop_stderr: of("arc_easy", 0.1),
  };
  answers["/v1/jobs/job_1"] = [200, { ...job, result }];
  shown = await mount(<JobPage id="job_1" />);
  const cells = [...(card("Zero-shot tasks")?.querySelectorAll("tbody > tr > *") ?? [])];
  expect(cells.map((cell) => cell.textContent)).toEqual([
    ...["arc_easy10 items, chance 25.0 %", "70.0 % (39.7 to 89.2 %)", "100 % (72.2 to 100 %)"],
    ...["+30.0 points ± 19.6", "0.25"],
  ]);
  expect(cells[3]?.className).toContain("is-succeeded");
});

it("shows how far it is from the dense model on each text, with intervals", async () => {
  const of = (value: number) => ({ c4: value });
  const result = {
    ...{ kl: of(0.25), kl_stderr: of(0.01), agreement: of(0.8), agreement_stderr: of(0.005) },
    ...{ text_ratio: of(1.35), text_ratio_stderr: of(0.02), text_perplexity: of(45.2) },
  };
  answers["/v1/jobs/job_1"] = [200, { ...job, result }];
  shown = await mount(<JobPage id="job_1" />);
  const rows = card("Distance from the dense model")?.querySelectorAll("tbody > tr > *") ?? [];
  expect([...rows].map((cell) => cell.textContent)).toEqual([
    ...["c4", "45.2", "1.35 ± 0.0392", "0.25 ± 0.0196", "80.0 % ± 0.98 %"],
  ]);
});

it("says that its events could not be read instead of counting none", async () => {
  answers["/v1/jobs/job_1/events"] = refusal(500);
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Events")).toBeUndefined();
  expect(shown.box.querySelector("[role=alert]")?.textContent).toContain("Refused 500");
});

it("says that it is old when it could not be requested again", async () => {
  shown = await mount(<JobPage id="job_1" />);
  answers["/v1/jobs/job_1"] = refusal(500);
  shown.queries.invalidateQueries({ queryKey: ["job"] });
  await settle();
  expect(shown.box.querySelector("h1")?.textContent).toContain("tiny");
  expect(shown.box.querySelector("[role=alert]")?.textContent).toContain("Refused 500");
});

it("waits for the files of a job that has succeeded before it says that there are none", async () => {
  let give: (answer: Answer) => void = () => {};
  answers["/v1/jobs/job_1/artifacts"] = new Promise((done) => {
    give = done;
  });
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Files")?.textContent).toBe("FilesLoading files");
  give(listing([]));
  await settle();
  expect(card("Files")?.textContent).toBe("FilesThere are no files.");
});

it("requests the parts of an ended job once more, because they may have been read earlier", async () => {
  shown = await mount(<JobPage id="job_1" />);
  const parts = ["artifacts", "blocks", "events"];
  poll();
  service.asked.length = 0;
  await settle(15_000);
  expect(parts.map((part) => service.count(`job_1/${part}`))).toEqual([1, 1, 1]);
  service.asked.length = 0;
  await settle(10_000);
  expect(new Set(service.asked)).toEqual(new Set(["/v1/jobs?parent=job_1&limit=20"]));
});

it("draws a recovery from its events, or from the report when they are deleted", async () => {
  const recover = { kind: "masked", tokens: 100 };
  const spec = makeSpec({ recover } as never);
  const training = { stage: "training", step: 3, steps: 32, tokens_per_second: 512 };
  const event = makeEvent({
    seq: 1,
    job_id: "job_1",
    phase: "recovering",
    data: { fraction: 0.5, recovery: { ...training, loss: 3.25, held_out_loss: 3.5 } },
  });
  answers["/v1/jobs/job_1"] = [200, { ...job, spec, status: "running", phase: "recovering" }];
  answers["/v1/jobs/job_1/events"] = listing([event]);
  shown = await mount(<JobPage id="job_1" />);
  const text = () => card("Recovery")?.textContent;
  const steps = () =>
    Number(card("Recovery")?.querySelector("[role=slider]")?.getAttribute("aria-valuemax")) + 1;
  expect(shown.box.querySelector(".progress-line")?.textContent).toContain(
    "training, step 3 of 32, 512 tokens per second",
  );
  expect(steps()).toBe(1);

  const measured = {
    held_out_loss_before: 4,
    held_out_loss_after: 3,
    steps: 32,
    kept_start: false,
    mask_moved: 0.0525,
  };
  const ended = { ...job, spec, result: { recovery: measured, perplexity_before_recovery: 20 } };
  answers["/v1/jobs/job_1"] = [200, ended];
  answers["/v1/jobs/job_1/events"] = listing([]);
  const curve = [1, 2].map((step) => ({ step, loss: 3, held_out_loss: null }));
  answers["/v1/jobs/job_1/manifest"] = [200, { recovery: { curve } }];
  const losses = "{held_out_loss_before:figure} before, {held_out_loss_after:figure} after";
  const facts = { "Held-out loss": losses, "Places that moved": "{mask_moved:percent}" };
  describeParts({ group: "recovery", facts });
  await shown.unmount();
  shown = await mount(<JobPage id="job_1" />);
  expect(text()).toContain("4.00 before, 3.00 after");
  expect(text()).toContain("5.25 %");
  expect(steps()).toBe(2);
});

it("lists the steps of a gradual job as they finish, and says which model was kept", async () => {
  const spec = makeSpec({ steps: 3, sparsity: 0.6 } as never);
  const result = { step: 1, sparsity: 0.2, pruned_perplexity: 20, seconds: 3, gate_failures: [] };
  const place = { number: 1, total: 3, result };
  const event = makeEvent({ seq: 1, job_id: "job_1", data: { fraction: 0.3, step: place } });
  answers["/v1/jobs/job_1"] = [200, { ...job, spec, status: "running", phase: "evaluating" }];
  answers["/v1/jobs/job_1/events"] = listing([event]);
  shown = await mount(<JobPage id="job_1" />);
  expect(shown.box.querySelector(".progress-line")?.textContent).toContain("step 1 of 3");
  expect(card("Steps")?.textContent).toContain("1 of 3 made");
  expect(card("Steps")?.textContent).toContain("20.0 %");

  const failed = { ...result, step: 2, gate_failures: ["perplexity_ratio is 2, wanted at most 1"] };
  const ended = { ...job, spec, result: { steps: [result, failed], kept_step: 1 } };
  answers["/v1/jobs/job_1"] = [200, ended];
  await shown.unmount();
  shown = await mount(<JobPage id="job_1" />);
  const text = card("Steps")?.textContent;
  expect(text).toContain("The gate stopped the job at step 2: perplexity_ratio is 2");
  expect(text).toContain("The result is the model of step 1.");
  expect(text).toContain("kept");
});

const WORKER = { id: "wrk_1", name: "gpu@host", job_id: "job_1", silent_seconds: 1 };
const alarm = () => shown.box.querySelector(".note.is-failed")?.textContent;

it("says within a second that its worker is silent, and what happens next", async () => {
  vi.setSystemTime("2026-01-05T09:31:00Z");
  const lease = { lease_until: "2026-01-05T09:31:52Z" };
  answers["/v1/jobs/job_1"] = [200, makeJob({ id: "job_1" })];
  answers["/v1/workers"] = listing([{ ...WORKER, job: lease }]);
  const block = { index: 6, total: 16, name: "b" };
  answers["/v1/jobs/job_1/events"] = listing([makeEvent({ data: { fraction: 0.4, block } })]);
  shown = await mount(<JobPage id="job_1" />);
  expect(alarm()).toBeUndefined();

  answers["/v1/workers"] = listing([{ ...WORKER, silent_seconds: 7.5, job: lease }]);
  await settle(4000);
  expect(alarm()).toContain("No heartbeat for 8");
  expect(alarm()).toContain(
    "Worker gpu@host is silent. If it stays silent, the job is queued again",
  );
  expect(alarm()).toContain("Its 7 finished blocks are kept.");

  answers["/v1/workers"] = listing([{ ...WORKER, job: lease }]);
  await settle(4000);
  expect(alarm()).toBeUndefined();
});

it("says that no worker holds a running job", async () => {
  vi.setSystemTime("2026-01-05T09:32:00Z"); // a minute after its last change
  answers["/v1/jobs/job_1"] = [200, makeJob({ id: "job_1" })];
  shown = await mount(<JobPage id="job_1" />);
  expect(alarm()).toContain("No worker reports this job");
  expect(alarm()).toContain("the job is queued again");
});

it("shows status and verdict in the tab's title", async () => {
  answers["/v1/jobs/job_1"] = [200, makeJob({ id: "job_1", name: "mine" })];
  shown = await mount(<JobPage id="job_1" />);
  expect(document.title).toBe("25 % · mine · Z-Pruner");

  const ended = { ...job, name: "mine", verdict: "fail", gate_failures: [] };
  answers["/v1/jobs/job_1"] = [200, { ...ended, updated_at: "2026-01-05T10:00:00Z" }];
  applyEvent(shown.queries, makeEvent({ job_id: "job_1", kind: "status", status: "succeeded" }));
  await settle(3000);
  expect(document.title).toBe("gate failed · mine · Z-Pruner");
});

it("disables the actions of a read-only key, and names the missing scope", async () => {
  answers["/v1/me"] = [200, { scopes: ["jobs:read"] }];
  shown = await mount(<JobPage id="job_1" />);
  await settle();
  const names = [...shown.box.querySelectorAll("button, a.button")].map((one) => one.textContent);
  for (const name of ["Edit", "Delete", "Rerun with changes"]) expect(names).not.toContain(name);
  expect(shown.box.querySelector(".actions")?.textContent).toContain("lacks the scope jobs:write");
  expect(card("Files")?.textContent).toContain("lacks the scope artifacts:read");
  expect(service.count("/artifacts")).toBe(0);
});

it("pins a job and unpins it", async () => {
  const bodies: unknown[] = [];
  const reply = service.reply;
  service.reply = async (url, request) => {
    if (request.method !== "PATCH") return reply(url, request);
    const body = await request.json();
    bodies.push(body);
    answers["/v1/jobs/job_1"] = [200, { ...job, ...body }];
    return answers["/v1/jobs/job_1"];
  };
  const button = (name: string) =>
    [...shown.box.querySelectorAll("button")].find((one) => one.textContent === name);
  shown = await mount(<JobPage id="job_1" />);
  await settle();
  button("Pin")?.click();
  await settle();
  button("Unpin")?.click();
  await settle();
  expect(bodies).toEqual([{ pinned: true }, { pinned: false }]);
  expect(button("Pin")).toBeDefined();
});

const file = (name: string, deleted_by: string | null = null) => ({
  id: name,
  name,
  size_bytes: 1000,
  sha256: "0".repeat(64),
  url: `/${name}`,
  damage: null,
  deleted_by,
  deleted_at: deleted_by && "2026-01-05T09:30:00Z",
});

it("says which rule deleted files, and offers only those that are stored", async () => {
  const files = [file("model.safetensors", "old"), file("report.json")];
  answers["/v1/jobs/job_1/artifacts"] = listing(
    files.map((one) => ({ ...one, deleted_by: null, deleted_at: null })),
  );
  shown = await mount(<JobPage id="job_1" />);
  await settle();
  expect(card("Files")?.textContent).toContain("Download all");
  const offers = ["Use this model", "Prune this result further", "Try a prompt"];
  for (const offer of offers) expect(shown.box.textContent).toContain(offer);

  answers["/v1/jobs/job_1/artifacts"] = listing(files);
  applyEvent(
    shown.queries,
    makeEvent({ job_id: "job_1", seq: 1, kind: "files_deleted", data: { rule: "old" } }),
  );
  await settle();

  const text = card("Files")?.textContent;
  expect(text).toContain("The retention rule old deleted 1 file");
  expect(text).toContain("report.json");
  expect(text).not.toContain("Download all");
  expect(text).not.toContain("model.safetensors");
  for (const offer of offers) expect(shown.box.textContent).not.toContain(offer);
  expect(shown.box.textContent).toContain("files deleted by the retention rule old");
});

it("shows each matrix of a block that was quantised", async () => {
  const matrix = { name: "mlp.up_proj.weight", zeros: 55, weights: 100, error: 0.081 };
  const quantized = [{ ...matrix, scale_min: 0.011, scale_max: 0.042, fallback: null }];
  const data = { sparsity: 0.55, layers: [], quantized };
  answers["/v1/jobs/job_1/blocks"] = [200, { data: [{ index: 0, name: "layers.0", data }] }];
  shown = await mount(<JobPage id="job_1" />);
  expect(card("Blocks")?.textContent).toContain("1 quantised matrices");
  expect(card("Blocks")?.textContent).toContain("0.011 to 0.042");
});

it("shows the facts of a part of the result whose figures are known, each in its unit", async () => {
  const facts = {
    "Bits per weight": "{bits_per_weight:figure}, scales included",
    "All weight files": "{/weights_bytes:bytes}",
    "Error of outputs": "{error:percent}",
    Rotated: "{rotated:yes}",
    Time: "{seconds:seconds}",
    Missing: "{missing:count} matrices",
  };
  describeParts(
    { group: "quantization", title: "Quantised weights", facts },
    { group: "binarization", title: "Binarised weights", note: "Not shown." },
  );
  const quantization = { bits_per_weight: 4.25, error: 0.0712, rotated: 1, seconds: 5 };
  answers["/v1/jobs/job_1"] = [200, { ...job, result: { weights_bytes: 6e7, quantization } }];
  shown = await mount(<JobPage id="job_1" />);
  const lines = [...(card("Quantised weights")?.querySelectorAll("dl > div") ?? [])];
  expect(lines.map((fact) => fact.textContent)).toEqual([
    "Bits per weight4.25, scales included",
    "All weight files60.0 MB",
    "Error of outputs7.12 %",
    "Rotatedyes",
    "Time5.0 s",
  ]);
  expect(card("Binarised weights")).toBeUndefined();
});

it("leads to a new job that starts from the result, on the same texts", async () => {
  const link = () =>
    [...shown.box.querySelectorAll("a")].find((one) => one.textContent?.includes("further"));
  const spec = makeSpec({ eval_dataset: "wikitext2" });
  answers["/v1/jobs/job_1"] = [200, { ...job, spec, size_bytes: 1 }];
  answers["/v1/jobs/job_1/artifacts"] = listing([file("model.safetensors")]);
  shown = await mount(<JobPage id="job_1" />);
  const given = new URLSearchParams(link()?.getAttribute("href")?.split("?")[1]);
  expect(Object.fromEntries(given)).toEqual({
    model: "job:job_1",
    dataset: "local:text.txt",
    eval_dataset: "wikitext2",
  });
  const quantize = { scheme: "w4a16", group_size: null, scales: "mse" };
  const without = [
    { verdict: "fail" },
    { status: "failed" },
    { size_bytes: 0 },
    { spec: makeSpec({ quantize } as object) },
  ];
  for (const change of without) {
    await shown.unmount();
    answers["/v1/jobs/job_1"] = [200, { ...job, spec, size_bytes: 1, ...change }];
    shown = await mount(<JobPage id="job_1" />);
    expect(link()).toBeUndefined();
  }
});

it("names the jobs that the model came through, each with a link", async () => {
  const lineage = { model: "org/dense", jobs: ["job_00000003", "job_00000002"] };
  answers["/v1/jobs/job_1"] = [200, { ...job, lineage }];
  shown = await mount(<JobPage id="job_1" />);
  const header = shown.box.querySelector(".job-header");
  expect(header?.textContent).toContain("starts from the result of 00000003, which started from");
  expect(header?.textContent).toContain("(dense)");
  expect(header?.querySelector('a[href="/jobs/job_00000002"]')).not.toBeNull();
});

const OUTPUT = { s3: "s3://a/b", secret: "s", region: "auto" };

it("offers the model of a finished job above all sections, and links to these", async () => {
  const links = { ...job.links, archive: "/v1/jobs/job_1/archive" };
  const done = {
    ...job,
    status: "succeeded",
    size_bytes: 9,
    links,
    spec: makeSpec({ output: [OUTPUT] }),
  };
  answers["/v1/jobs/job_1"] = [200, { ...done, result: { pruned_perplexity: 9 } }];
  answers["/v1/jobs/job_1/artifacts"] = listing([file("model.safetensors")]);
  answers["/v1/jobs/job_1/outputs"] = listing(
    ["failed", "succeeded", "failed"].map((state, index) => ({
      ...{ index, state, target: { s3: "s3://a" }, progress: {}, actions: [] },
    })),
  );
  shown = await mount(<JobPage id="job_1" />);
  const header = shown.box.querySelector(".job-header");
  expect(header?.textContent).toMatch(/Download.*Share.*Use this model/);
  expect(header?.querySelector("a.is-failed")?.textContent).toBe("2 of 3 outputs failed");
  const sections = [...shown.box.querySelectorAll("nav[aria-label=Sections] a")];
  expect(sections.map((link) => link.textContent)).toEqual(
    expect.arrayContaining([
      "Result",
      "Outputs",
      "Use this model",
      "Files",
      "Configuration",
      "Log",
    ]),
  );
  for (const link of [...sections, ...(header?.querySelectorAll("a[href^='#']") ?? [])])
    expect(shown.box.querySelector(link.getAttribute("href") ?? "")).not.toBeNull();
  expect(sections.at(-1)?.textContent).toBe("Log"); // in one column it is the last

  answers["/v1/jobs/job_1"] = [200, { ...done, status: "failed" }];
  shown.queries.invalidateQueries({ queryKey: ["job"] });
  await settle();
  expect(header?.textContent).not.toContain("Download");
});

it("announces once that a job has ended while it was shown", async () => {
  const said = () =>
    [...shown.box.querySelectorAll(".job-header [role=status]")]
      .map((one) => one.textContent)
      .join("");
  answers["/v1/jobs/job_1"] = [200, { ...job, status: "succeeded" }];
  shown = await mount(<JobPage id="job_1" />);
  expect(said()).toBe("");
  for (const [fields, expected] of [
    [{ status: "running" }, ""],
    [{ status: "succeeded", verdict: "pass" }, "mine has ended: succeeded, its gate passed"],
    [
      { status: "succeeded", verdict: "pass", name: "new" },
      "mine has ended: succeeded, its gate passed",
    ],
  ] as const) {
    answers["/v1/jobs/job_1"] = [200, { ...job, name: "mine", ...fields }];
    shown.queries.invalidateQueries({ queryKey: ["job"] });
    await settle();
    expect(said()).toBe(expected);
  }
});
