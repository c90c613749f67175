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
