/** Texts for entries of the audit log. */

/** Write an operation's id as words. */
export function inWords(action: string): string {
  const words = action.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export interface Target {
  text: string;
  /** The target's page, if there is one. */
  page: string | null;
}

const PAGES: [RegExp, (id: string) => string][] = [
  [/^\/v1\/jobs\/(job_[0-9a-f]{32})/, (id) => `/jobs/${id}`],
  [/^\/v1\/sweeps\/(swp_[0-9a-f]{32})/, (id) => `/sweeps/${id}`],
  [/^\/v1\/webhooks\/(whk_[0-9a-f]{32})/, (id) => `/webhooks/${id}`],
];

/** Return a target's path in the API, and its page. */
export function targetOf(path: string): Target {
  const text = path.replace(/^\/v1\//, "");
  for (const [pattern, page] of PAGES) {
    const id = pattern.exec(path)?.[1];
    if (id) return { text, page: page(id) };
  }
  return { text, page: null };
}
