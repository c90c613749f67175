import { describe, expect, it } from "vitest";
import { makeSpec } from "../testing.ts";
import { commandsOf, essential, quoted } from "./commands.ts";
import { changesOf, draftOf, edited, labelsOf, valuesOf } from "./draft.ts";
import { type Field, fieldsOf, jobFields } from "./fields.ts";

const SCHEMA = {
  required: ["model", "sparsity"],
  $defs: { Scope: { enum: ["matrix", "row"], type: "string", description: "Who competes." } },
  properties: {
    model: { type: "string", examples: ["org/m"], description: "A name." },
    sparsity: { type: "number", minimum: 0, exclusiveMaximum: 1 },
    scope: { anyOf: [{ $ref: "#/$defs/Scope" }, { type: "null" }], default: null },
    pattern: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    samples: { anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }], default: null },
    seed: { type: "integer", default: 0 },
    skip: { type: "array", items: { type: "string" }, default: [] },
    allocation: {
      anyOf: [{ enum: ["uniform", "owl"], type: "string" }, { type: "array" }],
      default: "uniform",
    },
    method: { const: "wanda" },
  },
};
const FIELDS = fieldsOf(SCHEMA, ["method"]);
const named = (name: string) => FIELDS.find((field) => field.name === name) as Field;

describe("fields", () => {
  it("have the kind, the bounds and the words of the schema", () => {
    expect(FIELDS.map(({ kind }) => kind)).toEqual([
      "text",
      "number",
      "choice",
      "text",
      "integer",
      "integer",
      "list",
      "choice-or-list",
    ]);
    expect(named("sparsity")).toMatchObject({ isRequired: true, min: 0, max: 1 });
    expect(named("scope")).toMatchObject({
      choices: ["matrix", "row"],
      help: "Who competes.",
      fallback: null,
    });
    expect(named("model").example).toBe("org/m");
  });
});

describe("the fields of any job", () => {
  it("offer every method there is, and take the first for the default", () => {
    const options = SCHEMA;
    const fields = jobFields([
      { name: "wanda", fields: ["method"], options },
      { name: "dsnot", fields: ["solver"], options },
      { name: "alps", fields: ["method", "solver"], options },
    ]);
    const method = fields.find(({ name }) => name === "method");
    expect(method).toMatchObject({ choices: ["wanda", "alps"], fallback: "wanda", kind: "choice" });
    expect(jobFields([])).toEqual([]);
  });
});

describe("a draft", () => {
  it("submits what is filled in, typed as the schema says, and no defaults", () => {
    const draft = {
      model: "local:tiny",
      sparsity: "0.5",
      samples: "",
      seed: "0",
      skip: "*.o_proj, a.b\nc",
      allocation: "0.4, 0.6",
    };
    expect(valuesOf(draft, FIELDS)).toEqual({
      model: "local:tiny",
      sparsity: 0.5,
      skip: ["*.o_proj", "a.b", "c"],
      allocation: [0.4, 0.6],
    });
  });

  it("passes on what is no number, so that the service can say so", () => {
    expect(valuesOf({ model: "m", sparsity: "half" }, FIELDS)).toMatchObject({ sparsity: "half" });
  });

  it("that nobody touched changes nothing in a rerun, whatever the values", () => {
    const original = makeSpec({
      allocation: [0.4, 0.6],
      skip: ["*.o_proj"],
      samples: 16,
      seed: 7,
    } as never) as Record<string, unknown>;
    expect(changesOf(draftOf(original, FIELDS), FIELDS, original)).toEqual({});
  });

  it("with one field changed changes one field, and an emptied one asks for the default", () => {
    const original = makeSpec({ samples: 16, seed: 7 } as never) as Record<string, unknown>;
    const draft = { ...draftOf(original, FIELDS), sparsity: "0.6" };
    expect(changesOf(draft, FIELDS, original)).toEqual({ sparsity: 0.6 });
    const emptied = { ...draft, sparsity: "0.5", samples: "", seed: "" };
    expect(changesOf(emptied, FIELDS, original)).toEqual({ samples: null, seed: 0 });
  });

  it("takes its sparsity from a pattern", () => {
    expect(edited({ sparsity: "0.6" }, "pattern", "2:4").sparsity).toBe("0.5");
    expect(edited({ sparsity: "0.6" }, "pattern", "1:3").sparsity).toBe("0.666667");
    expect(edited({ sparsity: "0.6" }, "pattern", "4:4").sparsity).toBe("0.6");
    expect(edited({ sparsity: "0.6" }, "pattern", "2:").sparsity).toBe("0.6");
  });

  it("reads labels, whose values may hold the sign", () => {
    expect(labelsOf("team=nlp, note=a=b\nempty=")).toEqual({ team: "nlp", note: "a=b", empty: "" });
  });
});

describe("commands", () => {
  it("quote what a shell would read", () => {
    expect([quoted("a/b:c"), quoted("*.o_proj"), quoted("it's"), quoted("$(x)")]).toEqual([
      "a/b:c",
      "'*.o_proj'",
      `'it'\\''s'`,
      "'$(x)'",
    ]);
  });

  it("say the same job three ways", () => {
    const body = {
      model: "m",
      sparsity: 0.5,
      seq_len: 64,
      skip: ["*.a", "b"],
      labels: { t: "x y" },
    };
    const { curl, cli, python } = commandsOf(body, "http://h:1");
    expect(curl).toBe(
      "curl http://h:1/v1/jobs -H 'Content-Type: application/json' \\\n" +
        `  -d '${JSON.stringify(body)}'`,
    );
    expect(cli.replaceAll(" \\\n ", "")).toBe(
      "ZPRUNER_URL=http://h:1 zpruner submit m --sparsity 0.5 --seq-len 64 --skip '*.a' --skip b " +
        "# labels are set over HTTP: t",
    );
    expect(python).toContain('    skip=["*.a", "b"],\n    labels={"t": "x y"},\n');
  });

  it("leave defaults out", () => {
    const defaults = { method: "zpruner", skip: [], seed: 0 };
    const spec = { model: "m", method: "zpruner", skip: [], seed: 1, scope: null };
    expect(essential(spec, defaults)).toEqual({ model: "m", seed: 1 });
  });
});
