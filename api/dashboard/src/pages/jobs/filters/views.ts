/** Views: filters and columns under a name, which this browser keeps. */

import { readStored, store } from "../../../storage.ts";

export interface View {
  name: string;
  /** The filter, as in the address. */
  search: string;
  columns?: string[];
}

const KEY = "zpruner.job-views";

export const BUILT_IN: View[] = [
  { name: "All jobs", search: "" },
  {
    name: "Unfinished",
    search: ["running", "queued", "pausing", "paused", "cancelling"]
      .map((status) => `status=${status}`)
      .join("&"),
  },
  { name: "Submitted today, failed", search: "status=failed&time=today" },
  { name: "Gate failed", search: "verdict=fail" },
  { name: "Best perplexity ratio", search: "status=succeeded&sort=perplexity_ratio" },
];

export function savedViews(): View[] {
  try {
    const stored: unknown = JSON.parse(readStored(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isView) : [];
  } catch {
    return []; // text that this page has not written
  }
}

/** Store a view in place of one with the same name, and return all. */
export function withView(views: View[], view: View): View[] {
  const others = views.filter(({ name }) => name !== view.name);
  return keep([...others, view]);
}

export function withoutView(views: View[], name: string): View[] {
  return keep(views.filter((one) => one.name !== name));
}

function keep(views: View[]): View[] {
  store(KEY, JSON.stringify(views));
  return views;
}

function isView(one: unknown): one is View {
  if (typeof one !== "object" || one === null) return false;
  const { name, search, columns } = one as Record<string, unknown>;
  const hasColumns = columns === undefined || Array.isArray(columns);
  return typeof name === "string" && typeof search === "string" && hasColumns;
}
