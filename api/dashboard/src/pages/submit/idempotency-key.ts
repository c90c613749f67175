import { useRef } from "react";

/** Return one key per request, so that submitting it twice creates one job. */
export function useIdempotencyKey(): (submission: unknown) => string {
  const last = useRef({ submission: "", key: "" });
  return (submission) => {
    const text = JSON.stringify(submission);
    if (last.current.submission !== text) last.current = { submission: text, key: newKey() };
    return last.current.key;
  };
}

/** Create a random key; `crypto.randomUUID` exists only over HTTPS and on localhost. */
function newKey(): string {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (one) => one.toString(36)).join("-");
}
