/** The values of a payload, and what a trigger does with each. */

export interface Value {
  pointer: string;
  /** Undefined if the payload has no value there. */
  value: unknown;
}

/** How many values of a payload are listed, beside those that a trigger uses. */
export const MAX_VALUES = 60;

/** Return the texts, numbers, booleans and nulls in a payload, by JSON pointer. */
export function valuesIn(payload: unknown, pointer = ""): Value[] {
  if (typeof payload !== "object" || payload === null) return [{ pointer, value: payload }];
  return Object.entries(payload).flatMap(([name, part]) =>
    valuesIn(part, `${pointer}/${escaped(name)}`),
  );
}

function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/**
 * Return the first values of a payload, and all that a trigger uses, be they in the payload or not;
 * `total` is how many the payload has.
 */
export function rowsOf(
  payload: unknown,
  filter: Record<string, unknown>,
  map: Record<string, string>,
): { rows: Value[]; total: number } {
  const found = payload === undefined ? [] : valuesIn(payload).filter(({ pointer }) => pointer);
  const known = new Set(found.map(({ pointer }) => pointer));
  const used = new Set([...Object.keys(filter), ...Object.values(map)]);
  const listed = found.filter(({ pointer }, place) => place < MAX_VALUES || used.has(pointer));
  const missing = [...used].filter((pointer) => !known.has(pointer));
  const rows = [...listed, ...missing.map((pointer) => ({ pointer, value: undefined }))];
  return { rows, total: found.length };
}

/** Change the field of a job that a value fills; an empty name means none. */
export function filling(
  map: Record<string, string>,
  pointer: string,
  field: string,
): Record<string, string> {
  const others = Object.entries(map).filter(([name, one]) => one !== pointer && name !== field);
  return Object.fromEntries(field === "" ? others : [...others, [field, pointer]]);
}

/** Require a value, or stop requiring it. */
export function requiring(
  filter: Record<string, unknown>,
  { pointer, value }: Value,
  isRequired: boolean,
): Record<string, unknown> {
  const others = Object.entries(filter).filter(([one]) => one !== pointer);
  return Object.fromEntries(isRequired ? [...others, [pointer, value ?? null]] : others);
}

/** Return a payload whose values are those that a filter requires, so that a trigger takes it. */
export function fitting(payload: unknown, filter: Record<string, unknown>): unknown {
  const fitted = structuredClone(payload ?? {});
  for (const [pointer, wanted] of Object.entries(filter)) {
    const names = pointer
      .slice(1)
      .split("/")
      .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
    let place = fitted as Record<string, unknown>;
    for (const name of names.slice(0, -1)) {
      if (typeof place[name] !== "object" || place[name] === null) place[name] = {};
      place = place[name] as Record<string, unknown>;
    }
    place[names.at(-1) ?? ""] = Array.isArray(wanted) ? wanted[0] : wanted;
  }
  return fitted;
}

/** Return the label that a value would naturally get: the last name of its pointer. */
export function labelFor(pointer: string): string {
  const last =
    pointer
      .split("/")
      .filter((part) => Number.isNaN(Number(part)))
      .at(-1) ?? "value";
  return `labels.${last.replaceAll(/[^A-Za-z0-9._-]/g, "-").slice(0, 60)}`;
}

export function parsedJson(text: string): { value?: unknown; isValid: boolean } {
  try {
    return { value: JSON.parse(text), isValid: true };
  } catch {
    return { isValid: false };
  }
}
