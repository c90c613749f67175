/** The values that a request has without any change: defaults, those of a preset, or a job's. */

import type { Preset } from "../api/methods.ts";
import { type Draft, draftOf } from "./draft.ts";
import type { Field } from "./fields.ts";

type Values = Record<string, unknown>;

export function defaultsOf(fields: Field[]): Values {
  return Object.fromEntries(fields.map(({ name, fallback }) => [name, fallback]));
}

/**
 * Return the values that apply where a request sets none.
 *
 * In a rerun they are the job's (`original`); a new preset replaces the fields of any preset.
 */
export function baseOf(
  fields: Field[],
  presets: Preset[],
  chosen: Values,
  original?: Values,
): Values {
  const defaults = defaultsOf(fields);
  const base = { ...(original ?? defaults) };
  const preset = presets.find(({ name }) => name === chosen.preset);
  if (preset === undefined || preset.name === original?.preset) return base;
  for (const name of presets.flatMap((one) => Object.keys(one.fields))) {
    base[name] = isSet(preset, name, chosen) ? preset.fields[name] : defaults[name];
  }
  return base;
}

/** Return the names of the fields that the chosen preset sets. */
export function presetFields(presets: Preset[], chosen: Values): string[] {
  const preset = presets.find(({ name }) => name === chosen.preset);
  return Object.keys(preset?.fields ?? {}).filter((name) => preset && isSet(preset, name, chosen));
}

/** Whether a preset sets a field beside those that are chosen: as inputs, empty ones are not. */
function isSet({ fields, left_out: leftOut }: Preset, name: string, chosen: Values): boolean {
  const isLeftOut = Object.entries(leftOut[name] ?? {}).some(([other, values]) => {
    const value = chosen[other] ?? "";
    return values.length > 0 ? values.includes(String(value)) : value !== "";
  });
  return name in fields && !isLeftOut;
}

/** Move the inputs that show one base to another base; edited ones stay. */
export function rebased(draft: Draft, fields: Field[], from: Values, to: Values): Draft {
  const [before, after] = [draftOf(from, fields), draftOf(to, fields)];
  const moved = fields
    .filter(({ name }) => (draft[name] ?? "") === before[name])
    .map(({ name }) => [name, after[name] ?? ""]);
  return { ...draft, ...Object.fromEntries(moved) };
}
