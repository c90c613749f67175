/** Reads and writes the filter of a list in the address bar. */

import type { Status } from "../../api/client.ts";
import type { JobFilter } from "../../api/jobs.ts";

export function filterOf(search: string): JobFilter {
  const params = new URLSearchParams(search);
  return {
    status: params.getAll("status") as Status[],
    method: params.get("method") ?? undefined,
    q: params.get("q") ?? undefined,
    sort: params.get("sort") === "created" ? "created" : "-created",
  };
}

export function searchOf(filter: JobFilter): string {
  const params = new URLSearchParams();
  for (const status of filter.status) params.append("status", status);
  if (filter.method) params.set("method", filter.method);
  if (filter.q) params.set("q", filter.q);
  if (filter.sort === "created") params.set("sort", "created");
  return params.toString();
}

/** Add a value, or remove it if it is there. */
export function toggled<T>(values: T[], value: T): T[] {
  return values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
}

export function isFiltered(filter: JobFilter): boolean {
  return filter.status.length > 0 || Boolean(filter.method) || Boolean(filter.q);
}
