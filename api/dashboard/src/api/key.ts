/** The API key of this browser, where the service asks for one. */

import { keep, kept } from "../storage.ts";

const PLACE = "zpruner.key";
const listeners = new Set<(key: string | null) => void>();

export function storedKey(): string | null {
  return kept(PLACE);
}

export function keepKey(key: string | null): void {
  keep(PLACE, key);
  for (const tell of listeners) tell(key);
}

/** Name who wants to know that somebody has signed in or out, in this tab or another one. */
export function onKeyChange(tell: (key: string | null) => void): void {
  listeners.add(tell);
  window.addEventListener("storage", ({ key }) => key === PLACE && tell(storedKey()));
}

export function authorization(): Record<string, string> {
  const key = storedKey();
  return key === null ? {} : { authorization: `Bearer ${key}` };
}
