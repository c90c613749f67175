/** The use of storage. */

import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type StorageUse = components["schemas"]["StorageRead"];

const POLL_MS = 30_000;

export const storageUse = queryOptions({
  queryKey: ["storage"],
  queryFn: ({ signal }) => unwrap(api.GET("/v1/storage", { signal })),
  refetchInterval: POLL_MS,
});
