/** The draft of a job: the text of each input, by the field's name. */

import { bytesAsSet, rounded } from "../format.ts";
import type { Field } from "./fields.ts";
import { gateOf, gateToText } from "./gate.ts";
import { labelsOf, labelsToText } from "./labels.ts";
import { momentToText } from "./moment.ts";
import { shareOf } from "./share.ts";
import { targetsOf, targetsToText } from "./targets.ts";
import { textsOf, textsToDraft } from "./texts.ts";
import { flagOf, numeric, parts, toText, withSpread } from "./values.ts";

export type Draft = Record<string, string>;
type Values = Record<string, unknown>;

export function draftOf(values: Values, fields: Field[]): Draft {
  const given = expanded(values, fields);
  return Object.fromEntries(fields.map((field) => [field.name, textOf(field, given[field.name])]));
}

function textOf({ kind, name }: Field, value: unknown): string {
  if (name === "target" && isObject(value)) return toText(withUnits(value));
  if (kind === "targets") return targetsToText(value);
  if (kind === "texts") return textsToDraft(value);
  if (kind === "labels") return labelsToText(value);
  if (kind === "moment") return momentToText(value);
  return kind === "gate" ? gateToText(value) : toText(value);
}

/** Write bytes with a unit where this is exact: `memory=24 GB`. */
function withUnits(sizes: Values): Values {
  const written = Object.entries(sizes).map(([name, size]) => {
    const isBytes = name === "memory" || name === "bytes";
    const isExact = typeof size === "number" && size % 1e6 === 0 && size < 1e12;
    return [name, isBytes && isExact ? bytesAsSet(size) : size];
  });
  return Object.fromEntries(written);
}

/** Replace each object by its members, where each has an input. */
export function expanded(values: Values, fields: Pick<Field, "name" | "member">[]): Values {
  const entries = Object.entries(values).flatMap(([name, value]) => {
    const members = fields.filter(({ member }) => member?.of === name);
    if (members.length === 0 || !isObject(value)) return [[name, value]];
    const inputs = Object.entries(value).map(([key, part]) => [
      members.find(({ member }) => member?.key === key)?.name,
      part,
    ]);
    const flag = members.some(({ member }) => member?.key === "") ? [[name, true]] : [];
    return inputs.every(([input]) => input !== undefined) ? [...flag, ...inputs] : [[name, value]];
  });
  return Object.fromEntries(entries);
}

/** Put members back into their objects; without others, the first stands for the object. */
function assembled(values: Values, fields: Field[]): Values {
  const whole = { ...values };
  for (const { name, member } of fields) {
    if (member === undefined || name === member.of || !(name in values)) continue;
    const first = fields.find((one) => one.name === member.of)?.member?.key ?? "";
    const known = whole[member.of];
    const isPlain = known === undefined || first === ""; // nothing, or `true`
    const others = isObject(known) ? known : isPlain ? {} : { [first]: known };
    whole[member.of] = { ...others, [member.key]: values[name] };
    delete whole[name];
  }
  return whole;
}

function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Split a request into a draft for the inputs, and the rest.
 *
 * Values that an input would change belong to the rest.
 */
export function splitBody(body: Values, fields: Field[], defaults: Values) {
  const [editable, rest]: [Values, Values] = [{ ...defaults }, {}];
  for (const [name, value] of Object.entries(expanded(body, fields))) {
    const field = fields.find((one) => one.name === name);
    const isEditable = field && isAlike(value, readBack(field, value));
    (isEditable ? editable : rest)[name] = value;
  }
  return { draft: draftOf(editable, fields), rest };
}

function readBack(field: Field, value: unknown): unknown {
  const text = textOf(field, value);
  return text === "" ? field.fallback : parse(field, text);
}

function isAlike(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Parse an input; invalid text stays text, so that the service refuses it by field. */
export function parse(field: Field, text: string): unknown {
  const plain = text.trim();
  if (field.kind === "share") return shareOf(plain);
  if (field.kind === "gate") return gateOf(plain);
  if (field.kind === "number" || field.kind === "integer") return numeric(plain);
  if (field.kind === "targets") return targetsOf(plain);
  if (field.kind === "texts") return textsOf(plain).filter((one) => one !== "");
  if (field.kind === "list") return parts(plain);
  if (field.kind === "labels") return labelsOf(plain);
  if (field.kind === "flag") return flagOf(plain);
  const isChoice = field.kind === "choice" || field.kind === "choice-or-list";
  if (isChoice && plain.includes(":")) return withSpread(plain);
  if (field.kind === "choice-or-list" && !field.choices.includes(plain)) {
    return parts(plain).map(numeric);
  }
  return plain;
}

/** Return the values to submit: filled inputs that differ from the default. */
export function valuesOf(draft: Draft, fields: Field[]): Values {
  const values: Values = {};
  for (const field of fields) {
    const text = (draft[field.name] ?? "").trim();
    if (text === "" || (!field.isRequired && text === toText(field.fallback))) continue;
    values[field.name] = parse(field, text);
  }
  return assembled(values, fields);
}

/** Return the inputs that differ from the base; an emptied one means the default. */
export function changesOf(draft: Draft, fields: Field[], base: Values): Values {
  const changes: Values = {};
  const before = draftOf(base, fields);
  for (const field of fields) {
    const text = (draft[field.name] ?? "").trim();
    if (text === before[field.name]) continue;
    if (text === "" && before[field.name] === textOf(field, field.fallback)) continue;
    if (field.member === undefined) {
      changes[field.name] = text === "" ? field.fallback : parse(field, text);
    } else {
      // A change of one member replaces the object.
      const members = fields.filter(({ member }) => member?.of === field.member?.of);
      changes[field.member.of] = valuesOf(draft, members)[field.member.of] ?? null;
    }
  }
  return changes;
}

/** Change one input and those that depend on it: N:M sets the sparsity. */
export function edited(draft: Draft, name: string, text: string): Draft {
  const next = { ...draft, [name]: text };
  const [, kept, group] = /^(\d{1,2}):(\d{1,2})$/.exec(name === "pattern" ? text.trim() : "") ?? [];
  if (kept && group && Number(kept) < Number(group)) {
    next.sparsity = String(rounded(1 - Number(kept) / Number(group), 6));
  }
  return next;
}
