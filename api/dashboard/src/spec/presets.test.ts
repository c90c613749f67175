import { describe, expect, it } from "vitest";
import type { Preset } from "../api/methods.ts";
import { changesOf, draftOf } from "./draft.ts";
import { fieldsOf } from "./fields.ts";
import { baseOf, presetFields, rebased } from "./presets.ts";

const FIELDS = fieldsOf({
  properties: {
    preset: { anyOf: [{ enum: ["fast", "best"], type: "string" }, { type: "null" }] },
    method: { enum: ["zpruner", "wanda", "admm"], type: "string", default: "zpruner" },
    pattern: { anyOf: [{ type: "string" }, { type: "null" }] },
    allocation: { anyOf: [{ enum: ["uniform", "dlp"] }, { type: "array" }], default: "uniform" },
    refine: { anyOf: [{ type: "boolean" }, { type: "object" }, { type: "null" }] },
    seed: { type: "integer", default: 0 },
  },
});
const PRESETS: Preset[] = [
  {
    name: "fast",
    fields: { method: "wanda" },
    recommended: true,
    left_out: {},
  },
  {
    name: "best",
    fields: { method: "admm", allocation: "dlp", refine: true },
    recommended: false,
    left_out: {
      allocation: { pattern: [], ratio: [], method: ["experts", "neurons"] },
      refine: { method: ["experts"] },
    },
  },
];
const NONE = baseOf(FIELDS, PRESETS, {});
const BEST = baseOf(FIELDS, PRESETS, { preset: "best" });
const shownFor = (draft: Record<string, string>) => rebased(draft, FIELDS, NONE, BEST);

describe("a preset", () => {
  it("shows its values in the inputs that were not edited", () => {
    const draft = { ...draftOf(NONE, FIELDS), preset: "best", seed: "7" };
    expect(shownFor(draft)).toMatchObject({
      method: "admm",
      allocation: "dlp",
      refine: "true",
      seed: "7",
    });
    expect(shownFor({ ...draft, method: "wanda" }).method).toBe("wanda");
    expect(rebased(shownFor(draft), FIELDS, BEST, NONE)).toEqual(draft);
  });

  it("is submitted by its name, with only the fields that differ from it", () => {
    const draft = shownFor({ ...draftOf(NONE, FIELDS), preset: "best" });
    expect(changesOf(draft, FIELDS, BEST)).toEqual({ preset: "best" });
    expect(changesOf({ ...draft, method: "zpruner", refine: "" }, FIELDS, BEST)).toEqual({
      preset: "best",
      method: "zpruner",
      refine: null,
    });
  });

  it.each([
    [{ pattern: "2:4" }, ["method", "refine"]],
    [{ ratio: 0.25 }, ["method", "refine"]],
    [{ method: "neurons" }, ["method", "refine"]],
    [{ method: "experts" }, ["method"]],
    [{ method: "wanda", pattern: "", ratio: null }, ["method", "allocation", "refine"]],
  ])("does not set what it leaves out beside %j", (beside, set) => {
    const chosen = { preset: "best", ...beside };
    const base = baseOf(FIELDS, PRESETS, chosen);
    expect(presetFields(PRESETS, chosen)).toEqual(set);
    expect(base.allocation).toBe(set.includes("allocation") ? "dlp" : "uniform");
    expect(base.refine).toBe(set.includes("refine") || null);
  });

  it("replaces the values of the job's preset in a rerun", () => {
    const original = { preset: "best", method: "admm", allocation: "dlp", refine: {}, seed: 7 };
    expect(baseOf(FIELDS, PRESETS, { preset: "best" }, original)).toEqual(original);
    expect(baseOf(FIELDS, PRESETS, { preset: "fast" }, original)).toEqual({
      preset: "best",
      method: "wanda",
      allocation: "uniform",
      refine: null,
      seed: 7,
    });
  });
});
