/** The API key of this browser, where the service asks for one. */

const PLACE = "zpruner.key";
const listeners = new Set<() => void>();

export function storedKey(): string | null {
  return localStorage.getItem(PLACE);
}

export function keepKey(key: string | null): void {
  if (key === null) localStorage.removeItem(PLACE);
  else localStorage.setItem(PLACE, key);
  for (const tell of listeners) tell();
}

export function onKeyChange(tell: () => void): () => void {
  listeners.add(tell);
  const elsewhere = (event: StorageEvent) => event.key === PLACE && tell();
  window.addEventListener("storage", elsewhere);
  return () => {
    listeners.delete(tell);
    window.removeEventListener("storage", elsewhere);
  };
}

export function authorization(): Record<string, string> {
  const key = storedKey();
  return key === null ? {} : { authorization: `Bearer ${key}` };
}
