/** Lists of texts, in which commas and line breaks belong to the texts. */

/** The fields whose values are texts. */
export const TEXTS: ReadonlySet<string> = new Set(["prompts"]);

/** Write texts as a draft, from which they are read back as they are. */
export function textsToDraft(texts: unknown): string {
  const some = Array.isArray(texts) ? texts.map(String) : [];
  return some.some((text) => text !== "") ? JSON.stringify(some) : "";
}

/** Return the texts of a draft. */
export function textsOf(draft: string): string[] {
  if (draft.trim() === "") return [];
  try {
    const texts: unknown = JSON.parse(draft);
    if (Array.isArray(texts)) return texts.map(String);
  } catch {
    // It was written by an earlier release.
  }
  return [draft];
}
