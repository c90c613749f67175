/** Times of requests, which are in UTC, and of inputs, which are in the browser's time zone. */

/** Return the value of a `datetime-local` input; empty if the text is not a time. */
export function toLocalInput(text: string): string {
  const at = new Date(text);
  if (text === "" || Number.isNaN(at.getTime())) return "";
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** Write a moment as it is sent; empty for what the input cannot show, such as `2h`. */
export function momentToText(value: unknown): string {
  const text = String(value ?? "");
  return toLocalInput(text) === "" ? "" : text;
}

export function fromLocalInput(value: string): string {
  const at = new Date(value);
  return value === "" || Number.isNaN(at.getTime()) ? "" : at.toISOString();
}
