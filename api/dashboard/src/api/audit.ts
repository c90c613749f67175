/** The audit log. */

import { infiniteQueryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

export type AuditEntry = components["schemas"]["AuditRead"];

const PAGE_SIZE = 50;

export function auditLog(key: string | undefined) {
  return infiniteQueryOptions({
    queryKey: ["audit", { key }],
    queryFn: ({ pageParam, signal }) => {
      const query = { key, limit: PAGE_SIZE, cursor: pageParam || undefined };
      return unwrap(api.GET("/v1/audit", { params: { query }, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
}
