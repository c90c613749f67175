/** Commands that submit a job. */

import { formsOf, type Schema } from "./schema.ts";
import { targetToText } from "./targets.ts";
import { toText } from "./values.ts";

export type Body = Record<string, unknown>;

/** Stands for an empty list, and for nothing where a field has it as a choice. */
const NONE = "none";

export interface Commands {
  curl: string;
  cli: string;
  python: string;
}

/**
 * Build the commands by the schema of a job's fields.
 *
 * Only curl needs the key in the command, the other two read it themselves.
 */
export function commandsOf(body: Body, schema: Schema, origin: string, needsKey = false): Commands {
  return {
    curl: curl(body, origin, needsKey),
    cli: cli(body, schema, origin),
    python: python(body, origin),
  };
}

function curl(body: Body, origin: string, needsKey: boolean): string {
  // Not --json, which needs curl 7.82.
  const words = [`curl ${origin}/v1/jobs`];
  if (needsKey) words.push(`-H "Authorization: Bearer $ZPRUNER_API_KEY"`);
  words.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  return words.join(" \\\n  ");
}

function cli({ model, expect, ...options }: Body, schema: Schema, origin: string): string {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const words = [`ZPRUNER_URL=${origin}`, "zpruner", "submit", quoted(String(model))];
  const withoutFlag = expect ? ["expect"] : [];
  for (const [name, value] of Object.entries(options)) {
    const property = properties[name] ?? {};
    words.push(...flags(name, value, property, schema));
    if (options.preset && isOff(value, property, schema)) withoutFlag.push(name);
  }
  if (withoutFlag.length > 0) words.push(`# set ${withoutFlag.join(" and ")} with the API`);
  return folded(words);
}

/** Whether a value switches off what a preset may set, for which there is no flag. */
function isOff(value: unknown, property: Schema, whole: Schema): boolean {
  const isFlag = formsOf(property, whole).some(({ type }) => type === "boolean");
  return (value === null || value === false) && isFlag && property.default === null;
}

/** Break the line before every option. */
function folded(words: string[]): string {
  return words.map((word) => (word.startsWith("--") ? `\\\n  ${word}` : word)).join(" ");
}

/** The flags of a field, by its schema, as the command line makes them from the same one. */
function flags(name: string, value: unknown, property: Schema, whole: Schema): string[] {
  const flag = `--${name.replaceAll("_", "-")}`;
  const forms = formsOf(property, whole);
  if (value === null) return forms.some(hasNone) ? [flag, NONE] : [];
  if (name === "gate") return bounds(value as Body);
  if (name === "labels") return pairs("--label", value as Body);
  if (name === "reuse") return value === "if_succeeded" ? ["--reuse"] : [];
  if (typeof value === "boolean") {
    if (value) return [flag];
    return property.default === true ? [flag.replace("--", "--no-")] : [];
  }
  if (!Array.isArray(value)) {
    const object = forms.find((form) => Object.keys(form.properties ?? {}).length > 2);
    if (object && typeof value === "object") return members(name, value as Body, object, whole);
    return [flag, quoted(toText(value))];
  }
  if (value.length === 0) return [flag, NONE];
  if (name === "output") return value.flatMap((one) => [flag, quoted(targetToText(one))]);
  const isRepeated = forms.every((form) => form.type === "array");
  if (isRepeated) return value.flatMap((one) => [flag, quoted(itemToText(one))]);
  return [flag, quoted(value.map(itemToText).join(","))];
}

function hasNone(form: Schema): boolean {
  return Array.isArray(form.enum) && form.enum.includes(NONE);
}

/** Write an item of a list; an object as JSON. */
function itemToText(item: unknown): string {
  return typeof item === "object" ? JSON.stringify(item) : String(item);
}

/** The same flag for each name and its value. */
function pairs(flag: string, values: Body): string[] {
  return Object.entries(values).flatMap(([name, value]) => [flag, quoted(`${name}=${value}`)]);
}

/** A flag for each member of an object; the required one is the field itself. */
function members(name: string, value: Body, object: Schema, whole: Schema): string[] {
  const properties = object.properties as Record<string, Schema>;
  const [required] = (object.required as string[] | undefined) ?? [];
  // Of a member, `none` is no empty list.
  const parts = Object.entries(value).filter(([, part]) => !isEmptyList(part));
  const given = parts.flatMap(([key, part]) =>
    flags(key === required ? name : `${name}_${key}`, part, properties[key] ?? {}, whole),
  );
  return given.length > 0 ? given : [`--${name.replaceAll("_", "-")}`];
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** A flag for each bound of a gate, and for its confidence. */
function bounds({ confidence, ...gate }: Body): string[] {
  const words = Object.entries(gate).flatMap(([side, limits]) =>
    pairs(`--gate-${side}`, (limits ?? {}) as Body),
  );
  return [...words, ...flags("gate_confidence", confidence ?? null, {}, {})];
}

function python(body: Body, origin: string): string {
  const lines = Object.entries(body).map(([name, value]) => `    ${name}=${literal(value)},`);
  return [
    "from zpruner import Client",
    "",
    `client = Client(${literal(origin)})`,
    "job = client.jobs.create(",
    ...lines,
    ")",
    "job = client.jobs.wait(job.id)",
  ].join("\n");
}

/** Write a value as Python: like JSON, except for null, true and false. */
function literal(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value as Body).map(([k, v]) => `${literal(k)}: ${literal(v)}`);
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** Quote for a POSIX shell. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Return the fields that differ from their defaults. */
export function withoutDefaults(spec: Body, defaults: Body): Body {
  const changed = Object.entries(spec).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name] ?? null),
  );
  return Object.fromEntries(changed);
}
