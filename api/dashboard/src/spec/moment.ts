/** Times of requests, which are in UTC, and of inputs, which are in the browser's time zone. */

/** Return the value of a `datetime-local` input; empty if the text is not a time. */
export function toLocalInput(text: string): string {
  const at = new Date(text);
  if (text === "" || Number.isNaN(at.getTime())) return "";
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

export function fromLocalInput(value: string): string {
  const at = new Date(value);
  return value === "" || Number.isNaN(at.getTime()) ? "" : at.toISOString();
}
