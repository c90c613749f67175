import { describe, expect, it } from "vitest";
import schema from "../../../../zpruner/cli/prune_spec.json";
import { makeSpec } from "../testing.ts";
import { commandsOf, quoted, withoutDefaults } from "./commands.ts";
import { changesOf, draftOf, edited, parse, splitBody, valuesOf } from "./draft.ts";
import { type Field, fieldsOf, jobFields } from "./fields.ts";
import { withoutHidden } from "./shown.ts";
import { toText } from "./values.ts";

const SCHEMA = {
  required: ["model", "sparsity"],
  $defs: {
    Scope: { enum: ["matrix", "row"], type: "string", description: "Who competes." },
    Refine: {
      type: "object",
      properties: {
        scope: { enum: ["block", "half"], type: "string", default: "block" },
        steps: { type: "integer", default: 128 },
        norms: { type: "boolean", default: true },
      },
    },
    Recover: {
      type: "object",
      required: ["kind"],
      properties: {
        kind: { enum: ["masked", "spp"], type: "string" },
        tokens: { type: "integer", minimum: 1, default: 1000 },
        lr: { anyOf: [{ type: "number" }, { type: "null" }], default: null },
      },
    },
  },
  properties: {
    model: { type: "string", examples: ["org/m"], description: "A name." },
    sparsity: { type: "number", minimum: 0, exclusiveMaximum: 1 },
    scope: { anyOf: [{ $ref: "#/$defs/Scope" }, { type: "null" }], default: null },
    pattern: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    samples: { anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }], default: null },
    seed: { type: "integer", default: 0 },
    skip: { type: "array", items: { type: "string" }, default: [] },
    allocation: {
      anyOf: [{ enum: ["uniform", "owl"], type: "string" }, { type: "array" }, { type: "object" }],
      default: "uniform",
    },
    refine: {
      anyOf: [{ type: "boolean" }, { $ref: "#/$defs/Refine" }, { type: "null" }],
      default: null,
    },
    recover: {
      anyOf: [{ $ref: "#/$defs/Recover" }, { enum: ["masked", "spp"] }, { type: "null" }],
      default: null,
      description: "Trains.",
    },
    method: { const: "wanda" },
  },
};
const FIELDS = fieldsOf(SCHEMA, ["method"]);
const LABELS: Field = {
  name: "labels",
  label: "Labels",
  kind: "labels",
  isRequired: false,
  help: "",
  choices: [],
  fallback: {},
  example: "",
};
const named = (name: string) => FIELDS.find((field) => field.name === name) as Field;

describe("fields", () => {
  it("have the kind, the bounds and the description of the schema", () => {
    expect(FIELDS.map(({ kind }) => kind)).toEqual([
      "text",
      "share",
      "choice",
      "text",
      "integer",
      "integer",
      "list",
      "choice-or-list",
      "flag",
      "choice",
      "integer",
      "flag",
      "choice",
      "integer",
      "number",
    ]);
    expect(FIELDS.slice(-3).map(({ name }) => name)).toEqual([
      "recover",
      "recover.tokens",
      "recover.lr",
    ]);
    expect(named("recover")).toMatchObject({ choices: ["masked", "spp"], help: "Trains." });
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
  it("offer every method, the first as default", () => {
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

  it("turn the text of a flag into a value", () => {
    const options = { properties: { uniform: { type: "boolean", default: true } } };
    const fields = jobFields([{ name: "wanda", fields: ["method"], options }]);
    expect(valuesOf({ uniform: "false" }, fields)).toEqual({ uniform: false });
    expect(valuesOf({ uniform: "true" }, fields)).toEqual({});
    expect(commandsOf({ model: "m", uniform: false }, schema, "h").cli).toContain("--no-uniform");
  });

  it("have the labels of the schema, and are in the section of their field", () => {
    const shown = { "x-labels": { "recover.lr": "Rate" }, "x-sections": { recover: "Recovery" } };
    const fields = fieldsOf({ ...SCHEMA, ...shown });
    const found = (name: string) => fields.find((field) => field.name === name);
    expect(found("recover.lr")).toMatchObject({ label: "Rate", section: "Recovery" });
    expect(found("seed")).toMatchObject({ label: "Seed", section: undefined });
  });

  it("have no input for the expected inputs", () => {
    const options = { properties: { expect: { type: "object" }, seed: { type: "integer" } } };
    const fields = jobFields([{ name: "wanda", fields: ["method"], options }]);
    expect(fields.map(({ name }) => name)).toEqual(["seed"]);
  });
});

describe("a draft", () => {
  it("submits the filled fields with the types of the schema, without defaults", () => {
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

  it("submits text that is no number, which the service refuses", () => {
    expect(valuesOf({ model: "m", sparsity: "half" }, FIELDS)).toMatchObject({ sparsity: "half" });
  });

  it("without edits changes nothing in a rerun", () => {
    const original = makeSpec({
      allocation: [0.4, 0.6],
      skip: ["*.o_proj"],
      samples: 16,
      seed: 7,
    } as never) as Record<string, unknown>;
    expect(changesOf(draftOf(original, FIELDS), FIELDS, original)).toEqual({});
  });

  it("with one changed field changes that field; an emptied one has the default", () => {
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

  it("parses labels whose values contain an equals sign", () => {
    const labels = { team: "nlp", note: "a=b", empty: "" };
    expect(parse(LABELS, "team=nlp, note=a=b\nempty=")).toEqual(labels);
    expect(parse(LABELS, toText(labels))).toEqual(labels);
  });

  it("has labels with commas, line breaks and quotes in quotes, and reads them back", () => {
    const quoted = { a: "x, y", b: "one\ntwo", c: 'the "old" one', d: " ", e: '"' };
    const labels = { ...quoted, f: "a=b", g: "" };
    const { draft, rest } = splitBody({ labels }, [LABELS], {});
    expect(draft.labels).toBe(
      String.raw`a="x, y", b="one\ntwo", c="the \"old\" one", d=" ", e="\"", f=a=b, g=`,
    );
    expect([valuesOf(draft, [LABELS]), rest]).toEqual([{ labels }, {}]);
    const typed = { size: '5" disk', half: '"open', bad: String.raw`"\x"` };
    expect(parse(LABELS, String.raw`size=5" disk, half="open, bad="\x"`)).toEqual(typed);
  });

  it("is made from JSON, and keeps members without an input", () => {
    const said = { model: "m", sparsity: 0.6, skip: ["*.a", "b"], allocation: [0.4, 0.6], seed: 3 };
    const fields = [...FIELDS, LABELS];
    const [defaults, labels] = [{ seed: 0, allocation: "uniform", skip: [] }, { team: "nlp" }];
    const first = splitBody({ ...said, samples: null, labels }, fields, defaults);
    expect(valuesOf(first.draft, fields)).toEqual({ ...said, labels });
    expect(first.rest).toEqual({});

    const rest = { gate: { max: { r: 1.1 } } };
    const second = splitBody({ model: "m", ...rest, sparsity: [0.5] }, fields, defaults);
    expect(valuesOf(second.draft, fields)).toEqual({ model: "m" });
    expect(second.rest).toEqual({ ...rest, sparsity: [0.5] });
  });

  it("keeps a moment that its input cannot show", () => {
    const moment: Field = { ...LABELS, name: "not_before", kind: "moment", fallback: null };
    expect(splitBody({ not_before: "2h" }, [moment], {})).toEqual({
      draft: { not_before: "" },
      rest: { not_before: "2h" },
    });
    const not_before = "2027-01-05T18:00:30Z";
    expect(splitBody({ not_before }, [moment], {})).toEqual({ draft: { not_before }, rest: {} });
  });

  it("keeps prompts as they are, with commas and line breaks", () => {
    const prompts = ["Once upon a time, there was a", "def is_prime(n):\n", "plain"];
    const [field] = fieldsOf({ properties: { prompts: { type: "array", default: null } } });
    if (!field) throw new Error("there is a field");
    const draft = draftOf({ prompts }, [field]);
    expect(valuesOf(draft, [field])).toEqual({ prompts });
    expect(splitBody({ prompts }, [field], {})).toEqual({ draft, rest: {} });
    expect(changesOf({ prompts: JSON.stringify(["a, b", ""]) }, [field], { prompts })).toEqual({
      prompts: ["a, b"],
    });
    expect(changesOf({ prompts: "" }, [field], { prompts })).toEqual({ prompts: null });
  });

  it("writes an allocation with its spread as one word, and reads it back", () => {
    const allocation = { name: "owl", spread: 0.15 };
    expect(toText(allocation)).toBe("owl:0.15");
    expect(parse(named("allocation"), "owl: 0.15")).toEqual(allocation);
    const { draft, rest } = splitBody({ model: "m", allocation }, FIELDS, {});
    expect(valuesOf(draft, FIELDS)).toEqual({ model: "m", allocation });
    expect(rest).toEqual({});
    const { cli, python } = commandsOf({ model: "m", allocation }, schema, "http://h:1");
    expect(cli).toContain("--allocation owl:0.15");
    expect(python).toContain('allocation={"name": "owl", "spread": 0.15},');
  });

  it("ticks an object with all defaults, and sets the members that differ", () => {
    const { draft, rest } = splitBody({ model: "m", refine: true }, FIELDS, {});
    expect([draft.refine, rest]).toEqual(["true", {}]);
    expect(valuesOf(draft, FIELDS)).toEqual({ model: "m", refine: true });
    const refine = { steps: 24, norms: false };
    const set = splitBody({ model: "m", refine }, FIELDS, {});
    expect(set.draft).toMatchObject({ "refine.steps": "24", "refine.norms": "false" });
    expect(valuesOf({ ...set.draft, refine: "true" }, FIELDS)).toEqual({ model: "m", refine });
    const target: Field = { ...fieldsOf(SCHEMA)[0], name: "target", kind: "text" } as Field;
    const sizes = { memory: 24e9, context: 8192, parameters: null };
    expect(draftOf({ target: sizes }, [target]).target).toBe("memory=24 GB, context=8192");
    expect(draftOf({ target: { bytes: 1_234_567 } }, [target]).target).toBe("bytes=1234567");
    expect(toText({ scope: "half", lr: null })).toBe("scope=half");
    const mix = [
      { dataset: "c4", generated: false, share: 0.25, text_field: null },
      { dataset: null, generated: true, share: 0.5, text_field: null },
    ];
    expect(toText(mix)).toBe("c4=0.25, generated=0.5");
    expect(toText([{ generated: true, share: 0.5 }])).toBe("generated=0.5"); // as in an example
  });

  it("of a rerun unticks an object with all its members, and sets one of them", () => {
    const refine = { scope: "block", steps: 24, norms: true };
    const original = makeSpec({ refine } as never) as Record<string, unknown>;
    const draft = draftOf(original, FIELDS);
    expect([draft.refine, changesOf(draft, FIELDS, original)]).toEqual(["true", {}]);
    expect(changesOf({ ...draft, "refine.norms": "false" }, FIELDS, original)).toEqual({
      refine: { steps: 24, norms: false },
    });
    const off = withoutHidden({ ...draft, refine: "" }, FIELDS);
    expect(changesOf(off, FIELDS, original)).toEqual({ refine: null });
  });

  it("sets the members of an object, and its first alone as plain text", () => {
    const defaults = { "recover.tokens": "1000", model: "m" };
    expect(valuesOf({ ...defaults, recover: "spp" }, FIELDS)).toEqual({
      model: "m",
      recover: "spp",
    });
    const more = { ...defaults, recover: "spp", "recover.tokens": "9", "recover.lr": "0.1" };
    const whole = { kind: "spp", tokens: 9, lr: 0.1 };
    expect(valuesOf(more, FIELDS)).toEqual({ model: "m", recover: whole });
    expect(valuesOf({ ...defaults, "recover.tokens": "9" }, FIELDS)).toEqual({
      model: "m",
      recover: { tokens: 9 },
    });
    const { draft, rest } = splitBody({ model: "m", recover: whole }, FIELDS, {});
    expect([valuesOf(draft, FIELDS), rest]).toEqual([{ model: "m", recover: whole }, {}]);
    const unknown = { model: "m", recover: { kind: "spp", rank: 4 } };
    expect(splitBody(unknown, FIELDS, {}).rest).toEqual({ recover: unknown.recover });
  });

  it("of a rerun replaces an object of which one member changes", () => {
    const recover = { kind: "spp", tokens: 500, lr: null };
    const original = makeSpec({ recover } as never) as Record<string, unknown>;
    const draft = draftOf(original, FIELDS);
    expect([draft.recover, draft["recover.tokens"], draft["recover.lr"]]).toEqual([
      "spp",
      "500",
      "",
    ]);
    expect(changesOf(draft, FIELDS, original)).toEqual({});
    expect(changesOf({ ...draft, recover: "masked" }, FIELDS, original)).toEqual({
      recover: { kind: "masked", tokens: 500 },
    });
    const nothing = { ...draft, recover: "", "recover.tokens": "" };
    expect(changesOf(nothing, FIELDS, original)).toEqual({ recover: null });
  });

  it("of a rerun contains the changed fields", () => {
    const original = makeSpec({ samples: 16, seed: 7 } as never) as Record<string, unknown>;
    const changes = { sparsity: 0.6, samples: null };
    const { draft, rest } = splitBody(changes, FIELDS, original);
    expect(changesOf(draft, FIELDS, original)).toEqual(changes);
    expect(rest).toEqual({});
  });
});

describe("commands", () => {
  it("quote characters that a shell interprets", () => {
    expect([quoted("a/b:c"), quoted("*.o_proj"), quoted("it's"), quoted("$(x)")]).toEqual([
      "a/b:c",
      "'*.o_proj'",
      `'it'\\''s'`,
      "'$(x)'",
    ]);
  });

  it("are three forms of the same job", () => {
    const body = {
      model: "m",
      sparsity: 0.5,
      seq_len: 64,
      skip: ["*.a", "b"],
      labels: { t: "x y" },
    };
    const { curl, cli, python } = commandsOf(body, schema, "http://h:1");
    const data = `-H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(body)}'`;
    expect(curl).toBe(`curl http://h:1/v1/jobs \\\n  ${data}`);
    expect(cli.replaceAll(" \\\n ", "")).toBe(
      "ZPRUNER_URL=http://h:1 zpruner submit m --sparsity 0.5 --seq-len 64 --skip '*.a' --skip b " +
        "--label 't=x y'",
    );
    expect(python).toContain('    skip=["*.a", "b"],\n    labels={"t": "x y"},\n');
  });

  it("pass expected inputs to the API and to Python; the command line has no option for them", () => {
    const { curl, cli, python } = commandsOf(
      { model: "m", expect: { calibration: "1f" } },
      schema,
      "h",
    );
    expect(cli).toMatch(/submit m # set expect with the API$/);
    expect(curl).toContain('"expect":{"calibration":"1f"}');
    expect(python).toContain('expect={"calibration": "1f"}');
  });

  it("write objects of a list as JSON, and what leaves a field of a preset out", () => {
    const said = (body: object) =>
      commandsOf({ model: "m", ...body }, schema, "http://h:1").cli.replaceAll(" \\\n ", "");
    const mix = [{ generated: true, share: 0.5 }, "ptb=0.2"];
    expect(said({ mix })).toMatch(
      /submit m --mix '\{"generated":true,"share":0.5\}' --mix ptb=0.2$/,
    );
    expect(said({ preset: "best", mix: [], recover: null, quantize: null })).toMatch(
      /submit m --preset best --mix none --recover none --quantize none$/,
    );
    expect(said({ preset: "best", refine: null, samples: null })).toMatch(
      /submit m --preset best # set refine with the API$/,
    );
    expect(said({ refine: null })).toMatch(/submit m$/);
    // `--quantize-skip none` would skip a layer of that name.
    expect(said({ quantize: { scheme: "w4a16", skip: [] } })).toMatch(/submit m --quantize w4a16$/);
  });

  it("contain only the bounds that the gate has", () => {
    expect(commandsOf({ model: "m", gate: { max: null } }, schema, "h").cli).toMatch(/submit m$/);
    const gate = { max: { perplexity_ratio: 1.1 }, min: { sparsity: 0.5 }, confidence: 0.95 };
    const body = { model: "m", gate, reuse: "if_succeeded", samples: null };
    expect(commandsOf(body, schema, "http://h:1").cli.replaceAll(" \\\n ", "")).toBe(
      "ZPRUNER_URL=http://h:1 zpruner submit m --gate-max perplexity_ratio=1.1 " +
        "--gate-min sparsity=0.5 --gate-confidence 0.95 --reuse",
    );
  });

  it("enable refinement by one flag, or by one for each setting", () => {
    const said = (refine: unknown) =>
      commandsOf({ model: "m", refine }, schema, "http://h:1").cli.replaceAll(" \\\n ", "");
    expect(said(true)).toMatch(/submit m --refine$/);
    expect(said({ steps: 24, lr: null, norms: false })).toMatch(
      /submit m --refine-steps 24 --no-refine-norms$/,
    );
  });

  it("have a flag for each setting of the ranking of answers", () => {
    const body = { model: "m", rank_answers: { dataset: null, questions: 20, drawn: 4 } };
    expect(commandsOf(body, schema, "http://h:1").cli.replaceAll(" \\\n ", "")).toMatch(
      /submit m --rank-answers-questions 20 --rank-answers-drawn 4$/,
    );
  });

  it("have a flag for each setting of a binarisation", () => {
    const binarize = { kept: 4.4, low: null, high: null, group_size: 64, salient: 0 };
    expect(
      commandsOf({ model: "m", binarize }, schema, "http://h:1").cli.replaceAll(" \\\n ", ""),
    ).toMatch(/submit m --binarize-kept 4.4 --binarize-group-size 64 --binarize-salient 0$/);
  });

  it("have a flag for each member of an object", () => {
    const recover = { kind: "spp", tokens: 9, lr: null };
    expect(
      commandsOf({ model: "m", recover }, schema, "http://h:1").cli.replaceAll(" \\\n ", ""),
    ).toBe("ZPRUNER_URL=http://h:1 zpruner submit m --recover spp --recover-tokens 9");
  });

  it("have a flag for the scheme of a quantisation, and one for each of its settings", () => {
    const quantize = { scheme: "w4a16", group_size: 64, scales: "mse", skip: ["*.a", "*.b"] };
    expect(
      commandsOf({ model: "m", quantize }, schema, "http://h:1").cli.replaceAll(" \\\n ", ""),
    ).toBe(
      "ZPRUNER_URL=http://h:1 zpruner submit m --quantize w4a16 --quantize-group-size 64 " +
        "--quantize-scales mse --quantize-skip '*.a' --quantize-skip '*.b'",
    );
  });

  it("name the variable of the key where the service requires one, never its value", () => {
    const { curl } = commandsOf({ model: "m" }, schema, "http://h:1", true);
    expect(curl).toContain('-H "Authorization: Bearer $ZPRUNER_API_KEY"');
  });

  it("leave defaults out", () => {
    const defaults = { method: "zpruner", skip: [], seed: 0 };
    const spec = { model: "m", method: "zpruner", skip: [], seed: 1, scope: null };
    expect(withoutDefaults(spec, defaults)).toEqual({ model: "m", seed: 1 });
  });
});
