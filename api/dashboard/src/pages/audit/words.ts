/** An entry of the audit, for people. */

/** What was done: the operation's name as a sentence begins. */
export function inWords(action: string): string {
  const words = action.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export interface Target {
  text: string;
  /** The page that shows it, if there is one. */
  page: string | null;
}

const PAGES: [RegExp, (id: string) => string][] = [
  [/^\/v1\/jobs\/(job_[0-9a-f]{32})/, (id) => `/jobs/${id}`],
  [/^\/v1\/sweeps\/(swp_[0-9a-f]{32})/, (id) => `/sweeps/${id}`],
  [/^\/v1\/webhooks\/(whk_[0-9a-f]{32})/, (id) => `/webhooks/${id}`],
];

/** What it was done to: its address in the API, and where this page shows it. */
export function targetOf(address: string): Target {
  const text = address.replace(/^\/v1\//, "");
  for (const [pattern, page] of PAGES) {
    const id = pattern.exec(address)?.[1];
    if (id) return { text, page: page(id) };
  }
  return { text, page: null };
}
