import { expect, it } from "vitest";
import { inWords } from "./words.ts";

it("writes a size with its unit and its tokens", () => {
  const memory = { parameters: null, memory: 24e9, context: 8192, batch: null };
  expect(inWords("target", memory)).toBe("24 GB with 8,192 tokens");
  expect(inWords("target", { memory: 24e9, context: 8192, batch: 4 })).toContain(
    "4 × 8,192 tokens",
  );
  expect(inWords("target", { parameters: 6e9 })).toBe("6,000,000,000 parameters");
  expect(inWords("target", { active_parameters: 7 })).toBe("7 active parameters");
  expect(inWords("target", { bytes: 3.5e9 })).toBe("3.5 GB of weight files");
  expect(inWords("target", { bytes: 3.5e9, candidates: ["depth", "heads"] })).toBe(
    "3.5 GB of weight files, compared with depth, heads",
  );
});

it("writes shares in percent, flags as yes or no, and objects by their members", () => {
  expect(inWords("sparsity", 0.55)).toBe("55 %");
  expect(inWords("generate", true)).toBe("yes");
  expect(inWords("samples", 2048)).toBe("2,048");
  expect(inWords("seed", 2048)).toBe("2048");
  expect(inWords("allocation", { name: "owl", spread: 0.15 })).toBe("owl, spread 0.15");
  expect(inWords("output", [{ hub: "org/name", secret: "s" }])).toBe("hub:org/name@s");
  expect(inWords("tasks", ["boolq", "rte"])).toBe("boolq, rte");
  expect(inWords("mix", [{ dataset: "c4", share: 0.25 }])).toBe("c4 25 %");
  const written = { dataset: null, generated: true, share: 0.5 };
  expect(inWords("mix", [written])).toBe("written by the dense model 50 %");
  expect(inWords("pattern", null)).toBe("");
});
