/** The use of storage. */

import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type StorageUse = components["schemas"]["StorageRead"];

/** Read when a page is opened: it changes slowly, and the service reads the rows of all files. */
export const storageUse = queryOptions({
  queryKey: ["storage"],
  queryFn: ({ signal }) => unwrap(api.GET("/v1/storage", { signal })),
});
