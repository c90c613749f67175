/** The API key that this browser stores. */

import { readStored, store } from "../storage.ts";

const STORAGE_KEY = "zpruner.key";
const listeners = new Set<(key: string | null) => void>();

export function storedKey(): string | null {
  return readStored(STORAGE_KEY);
}

export function storeKey(key: string | null): void {
  store(STORAGE_KEY, key);
  for (const listener of listeners) listener(key);
}

/** Call a listener when the key changes, in this tab or in another one. */
export function onKeyChange(listener: (key: string | null) => void): void {
  listeners.add(listener);
  window.addEventListener("storage", ({ key }) => key === STORAGE_KEY && listener(storedKey()));
}

export function authorization(): Record<string, string> {
  const key = storedKey();
  return key === null ? {} : { authorization: `Bearer ${key}` };
}
