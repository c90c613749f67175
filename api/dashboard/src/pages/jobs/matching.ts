import { useQuery } from "@tanstack/react-query";
import { type JobFilter, jobFacets } from "../../api/jobs.ts";

/** Return how many jobs match a filter, of which some are loaded. */
export function useMatching(filter: JobFilter, loaded: number): number {
  const { data } = useQuery({ ...jobFacets(filter), placeholderData: (old) => old });
  const counts = Object.entries(data?.status ?? {}) as [JobFilter["status"][number], number][];
  const matching = counts
    .filter(([status]) => filter.status.length === 0 || filter.status.includes(status))
    .reduce((sum, [, each]) => sum + each, 0);
  return Math.max(matching, loaded);
}
