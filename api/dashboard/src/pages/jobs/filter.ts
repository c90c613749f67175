/** A list's filter, as the address bar says it. */

import type { Status } from "../../api/client.ts";
import type { JobFilter } from "../../api/jobs.ts";

export function filterOf(search: string): JobFilter {
  const asked = new URLSearchParams(search);
  return {
    status: asked.getAll("status") as Status[],
    method: asked.get("method") ?? undefined,
    q: asked.get("q") ?? undefined,
    sort: asked.get("sort") === "created" ? "created" : "-created",
  };
}

export function searchOf(filter: JobFilter): string {
  const said = new URLSearchParams();
  for (const status of filter.status) said.append("status", status);
  if (filter.method) said.set("method", filter.method);
  if (filter.q) said.set("q", filter.q);
  if (filter.sort === "created") said.set("sort", "created");
  return said.toString();
}

/** Add what is not there, take away what is. */
export function toggled<T>(values: T[], value: T): T[] {
  return values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
}

export function isFiltered(filter: JobFilter): boolean {
  return filter.status.length > 0 || Boolean(filter.method) || Boolean(filter.q);
}
