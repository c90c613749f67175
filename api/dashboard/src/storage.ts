/** What this browser keeps; where it denies storage, for as long as the page is there. */

const unstored = new Map<string, string>();

export function kept(place: string): string | null {
  try {
    return localStorage.getItem(place);
  } catch {
    return unstored.get(place) ?? null; // a browser that blocks a site's data throws at every touch
  }
}

export function keep(place: string, text: string | null): void {
  try {
    if (text === null) localStorage.removeItem(place);
    else localStorage.setItem(place, text);
  } catch {
    if (text === null) unstored.delete(place);
    else unstored.set(place, text);
  }
}
