/** What a job can name: pruning methods, presets, the metrics of a gate, queues. */

import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type Preset = components["schemas"]["PresetRead"];
export type Catalogue = components["schemas"]["MethodPage"];

export const catalogue = queryOptions({
  queryKey: ["methods"],
  queryFn: ({ signal }) => unwrap(api.GET("/v1/methods", { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

export const methods = queryOptions({ ...catalogue, select: ({ data }) => data });

/** A group of the metrics of a result, and how it is shown. */
export interface Part {
  group: string;
  title: string;
  facts: Record<string, string>;
  table: string[][];
  note: string;
}

/** The groups of metrics that options add to a result. */
export const parts = queryOptions({
  ...catalogue,
  select: ({ data }) => (data[0]?.options["x-results"] ?? []) as Part[],
});
