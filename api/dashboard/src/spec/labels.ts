/** Labels as text: `name=value`, separated by lines or commas, such as `team=nlp, note="a, b"`. */

/** A label whose value is in quotes as JSON has them, or anything up to the next comma. */
const LABEL = /([^=,\n]+)=\s*("(?:[^"\\]|\\.)*")\s*(?=[,\n]|$)|[^,\n]+/g;

/** Write labels as text, from which they are read back as they are. */
export function labelsToText(labels: unknown): string {
  return Object.entries(labels ?? {})
    .map(([name, value]) => `${name}=${isPlain(String(value)) ? value : JSON.stringify(value)}`)
    .join(", ");
}

function isPlain(value: string): boolean {
  return !/[,\n"]/.test(value) && value === value.trim();
}

export function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(LABEL)]
    .filter(([part]) => part.trim() !== "")
    .map(([part, name, quoted]) => (quoted ? [name?.trim(), unquoted(quoted)] : plainPair(part)));
  return Object.fromEntries(pairs);
}

function plainPair(part: string): [string, string] {
  const [name = "", ...value] = part.split("=");
  return [name.trim(), value.join("=").trim()];
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text);
  } catch {
    return text; // it has quotes, but not as JSON
  }
}
