/** A job as it is being typed: the text of every input, by the field's name. */

import type { Field } from "./fields.ts";

export type Draft = Record<string, string>;
type Values = Record<string, unknown>;

/** Write a value as a person would type it. */
export function written(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(written).join(", ");
  return Object.entries(value)
    .map(([name, part]) => `${name}=${written(part)}`)
    .join(", ");
}

export function draftOf(values: Values, fields: Field[]): Draft {
  return Object.fromEntries(fields.map(({ name }) => [name, written(values[name])]));
}

/**
 * Divide a request, as JSON says it, into what the inputs can say, and the rest.
 *
 * Values that come back otherwise than they went in are left to the rest, too.
 */
export function divided(body: Values, fields: Field[], defaults: Values) {
  const [said, rest]: [Values, Values] = [{ ...defaults }, {}];
  for (const [name, value] of Object.entries(body)) {
    const field = fields.find((one) => one.name === name);
    const isSayable = field && isAlike(value, readBack(field, value));
    (isSayable ? said : rest)[name] = value;
  }
  return { draft: draftOf(said, fields), rest };
}

function readBack(field: Field, value: unknown): unknown {
  const text = written(value);
  return text === "" ? field.fallback : read(field, text);
}

function isAlike(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Read one input; text that is no value stays text, for the service to refuse by name. */
export function read(field: Field, text: string): unknown {
  const plain = text.trim();
  if (field.kind === "number" || field.kind === "integer") return numeric(plain);
  if (field.kind === "list") return parts(plain);
  if (field.kind === "labels") return labelsOf(plain);
  if (field.kind === "choice-or-list" && !field.choices.includes(plain)) {
    return parts(plain).map(numeric);
  }
  return plain;
}

/** What to submit: every input that is filled and says more than the default. */
export function valuesOf(draft: Draft, fields: Field[]): Values {
  const values: Values = {};
  for (const field of fields) {
    const text = (draft[field.name] ?? "").trim();
    if (text === "" || (!field.isRequired && text === written(field.fallback))) continue;
    values[field.name] = read(field, text);
  }
  return values;
}

/** What a rerun changes: inputs that differ from the job's; an emptied one asks for the default. */
export function changesOf(draft: Draft, fields: Field[], original: Values): Values {
  const changes: Values = {};
  for (const field of fields) {
    const text = (draft[field.name] ?? "").trim();
    if (text === written(original[field.name])) continue;
    changes[field.name] = text === "" ? field.fallback : read(field, text);
  }
  return changes;
}

/** Change one input, and what follows from it: N:M says the sparsity. */
export function edited(draft: Draft, name: string, text: string): Draft {
  const next = { ...draft, [name]: text };
  const [, kept, group] = /^(\d{1,2}):(\d{1,2})$/.exec(name === "pattern" ? text.trim() : "") ?? [];
  if (kept && group && Number(kept) < Number(group)) {
    next.sparsity = String(Number((1 - Number(kept) / Number(group)).toFixed(6)));
  }
  return next;
}

/** Labels as typed, one `name=value` per line or comma. */
function labelsOf(text: string): Record<string, string> {
  const pairs = parts(text).map((part) => {
    const [name = "", ...value] = part.split("=");
    return [name.trim(), value.join("=").trim()];
  });
  return Object.fromEntries(pairs);
}

function numeric(text: string): unknown {
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function parts(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter(Boolean);
}
