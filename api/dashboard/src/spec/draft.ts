/** A job as it is being typed: the text of every input, by the field's name. */

import type { Field } from "./fields.ts";

export type Draft = Record<string, string>;
type Values = Record<string, unknown>;

/** Write a value as a person would type it. */
export function written(value: unknown): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.join(", ") : String(value);
}

export function draftOf(values: Values, fields: Field[]): Draft {
  return Object.fromEntries(fields.map(({ name }) => [name, written(values[name])]));
}

/** Read one input; text that is no value stays text, for the service to refuse by name. */
export function read(field: Field, text: string): unknown {
  const plain = text.trim();
  if (field.kind === "number" || field.kind === "integer") return numeric(plain);
  if (field.kind === "list") return parts(plain);
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
export function labelsOf(text: string): Record<string, string> {
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
