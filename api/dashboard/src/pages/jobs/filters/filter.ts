/** Reads and writes the filter of a list in the address bar. */

import type { Status } from "../../../api/client.ts";
import type { JobFilter, Sort } from "../../../api/jobs.ts";
import orders from "./orders.json";

/** Parameters with one value, which the address has under the filter's names. */
const SINGLE = [
  "verdict",
  "method",
  "model",
  "created_by",
  "sweep",
  "output",
  "time",
  "from",
  "to",
  "q",
] as const;

export const ORDERS = orders as { sort: Sort; label: string }[];

export function filterOf(search: string): JobFilter {
  const params = new URLSearchParams(search);
  const sort = ORDERS.find((one) => one.sort === params.get("sort"))?.sort ?? "-created";
  const filter: JobFilter = {
    status: params.getAll("status") as Status[],
    label: params.getAll("label"),
    sort,
  };
  for (const name of SINGLE) filter[name] = params.get(name) || undefined;
  return filter;
}

export function searchOf(filter: JobFilter): string {
  const params = new URLSearchParams();
  for (const status of filter.status) params.append("status", status);
  for (const label of filter.label) params.append("label", label);
  for (const name of SINGLE) {
    const value = filter[name];
    if (value) params.set(name, value);
  }
  if (filter.sort !== "-created") params.set("sort", filter.sort);
  return params.toString();
}

/** Add a label, `name:value`, in place of another value of it: no job has two. */
export function withLabel(labels: string[], label: string): string[] {
  const [name] = label.split(":");
  return [...labels.filter((one) => one.split(":")[0] !== name), label];
}

/** Return a filter that keeps only the order. */
export function cleared({ sort }: JobFilter): JobFilter {
  return { status: [], label: [], sort };
}

export function isFiltered(filter: JobFilter): boolean {
  return searchOf({ ...filter, sort: "-created" }) !== "";
}

/** Return the order after a click on a metric's heading: ascending, descending, by time. */
export function nextSort(sort: Sort, metric: string): Sort {
  if (metric === "created") return sort === "-created" ? "created" : "-created";
  if (sort === metric) return `-${metric}` as Sort;
  return sort === `-${metric}` ? "-created" : (metric as Sort);
}
