/** Make up an idempotency key; `crypto.randomUUID` is there on HTTPS and on this machine alone. */
export function uniqueKey(): string {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (one) => one.toString(36)).join("-");
}
