/** Single values as the texts of inputs, and back. */

/** Write a value as the text of an input; members of an object that are not set are left out. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.map(toText).join(", ");
  if (hasSpread(value)) return `${value.name}:${value.spread}`;
  if (hasShare(value)) return `${value.dataset ?? "generated"}=${value.share}`;
  return Object.entries(value)
    .filter(([, part]) => part !== null)
    .map(([name, part]) => `${name}=${toText(part)}`)
    .join(", ");
}

/** Whether a value is an allocation with its spread, which is written as `owl:0.15`. */
function hasSpread(value: object): value is { name: string; spread: number } {
  return "spread" in value && typeof value.spread === "number";
}

/** Whether a value is a text with its share: `wikitext2=0.25`, or `generated=0.5` without a name. */
function hasShare(value: object): value is { dataset?: string | null; share: number } {
  const isPlain = !("text_field" in value) || value.text_field === null;
  return ("dataset" in value || "generated" in value) && "share" in value && isPlain;
}

/** Parse an allocation with its spread. */
export function withSpread(text: string): unknown {
  const [name = "", spread = ""] = text.split(":").map((part) => part.trim());
  return { name, spread: numeric(spread) };
}

/** Parse a checkbox; other text stays text. */
export function flagOf(text: string): unknown {
  return text === "true" || text === "false" ? text === "true" : text;
}

/** Parse a number; other text stays text. */
export function numeric(text: string): unknown {
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Parse a list that is separated by commas or lines. */
export function parts(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter(Boolean);
}
