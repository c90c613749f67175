import { createContext, useContext } from "react";
import type { JobFilter } from "../../../api/jobs.ts";

export interface Filtered {
  filter: JobFilter;
  change: (filter: JobFilter) => void;
}

/** The filter of the page, which cells change too. */
export const FilterContext = createContext<Filtered>({
  filter: { status: [], label: [], sort: "-created" },
  change() {},
});

export function useFilter(): Filtered {
  return useContext(FilterContext);
}
