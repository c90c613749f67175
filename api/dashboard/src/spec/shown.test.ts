import { expect, it } from "vitest";
import { fieldsOf } from "./fields.ts";
import { toNames, toValues } from "./known-names.ts";
import { shownFields, withoutHidden } from "./shown.ts";

const FIELDS = fieldsOf({
  properties: {
    method: { enum: ["wanda", "neurons"], type: "string", default: "wanda" },
    sparsity: { type: "number" },
    ratio: { anyOf: [{ type: "number" }, { type: "null" }], default: null },
    keep: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    column: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    generate: { type: "boolean", default: false },
    prompts: { anyOf: [{ type: "array" }, { type: "null" }], default: null },
    refine: {
      anyOf: [{ type: "boolean" }, { type: "object", properties: { steps: { type: "integer" } } }],
      default: null,
    },
  },
  "x-only-with": {
    sparsity: { method: ["wanda"] },
    ratio: { method: ["neurons"] },
    keep: { method: ["neurons"] },
    column: { keep: [] },
    prompts: { generate: [] },
  },
});
const names = (draft: Record<string, string>) => shownFields(FIELDS, draft).map(({ name }) => name);

it("shows the fields of the chosen method, and those of a field that is set", () => {
  const common = ["method", "generate", "refine"];
  expect(names({ method: "wanda", generate: "false" })).toEqual([
    "method",
    "sparsity",
    ...common.slice(1),
  ]);
  const draft = { method: "neurons", keep: "ptb", generate: "true", refine: "true" };
  expect(names(draft)).toEqual([
    ...["method", "ratio", "keep", "column", "generate", "prompts", "refine", "refine.steps"],
  ]);
  expect(names({ ...draft, method: "wanda" })).not.toContain("column");
});

it("leaves out the texts of fields that are not shown", () => {
  const draft = { method: "wanda", sparsity: "0.5", keep: "ptb", column: "text" };
  expect(withoutHidden(draft, FIELDS)).toMatchObject({ sparsity: "0.5", keep: "", column: "" });
});

it("shows a field whose condition a sweep varies", () => {
  const shared = FIELDS.filter(({ name }) => name !== "method");
  expect(shownFields(shared, {}).map(({ name }) => name)).toContain("ratio");
});

it("writes the names of uploads in place of their ids, and reads them back", () => {
  const known = [
    { value: "uploaded:dat_1", label: "1 kB", shown: "my.txt (uploaded)" },
    { value: "c4", label: "built in" },
  ];
  expect(toNames("uploaded:dat_1", known, false)).toBe("my.txt (uploaded)");
  expect(toValues("my.txt (uploaded)", known, false)).toBe("uploaded:dat_1");
  expect(toNames("boolq, uploaded:dat_1, ", known, true)).toBe("boolq, my.txt (uploaded), ");
  expect(toValues("boolq,my.txt (uploaded),c", known, true)).toBe("boolq,uploaded:dat_1,c");
  expect(toValues("my.tx", known, false)).toBe("my.tx");
});
