import { useRef } from "react";

/** Return the same key for the same order, so that a second press makes no second job. */
export function useOrderKey(): (order: unknown) => string {
  const tried = useRef({ order: "", key: "" });
  return (order) => {
    const said = JSON.stringify(order);
    if (tried.current.order !== said) tried.current = { order: said, key: uniqueKey() };
    return tried.current.key;
  };
}

/** Make up a key; `crypto.randomUUID` is there on HTTPS and on this machine alone. */
function uniqueKey(): string {
  const parts = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(parts, (one) => one.toString(36)).join("-");
}
