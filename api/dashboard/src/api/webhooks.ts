/** Webhooks and their deliveries. */

import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, unwrap } from "./client.ts";
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Webhook = Schemas["WebhookRead"];
export type WebhookRequest = Schemas["WebhookRequest"];
export type WebhookPatch = Schemas["WebhookPatch"];
export type EventType = Schemas["EventType"];
export type Delivery = Schemas["DeliveryRead"];
export type DeliveryAttempt = Schemas["DeliveryAttempt"];
export type DeliveryStatus = Schemas["DeliveryStatus"];

// There is no stream of deliveries; hidden tabs do not poll.
const POLL_MS = 3000;
const PAGE_SIZE = 50;

const path = (webhook_id: string) => ({ path: { webhook_id } });

export const webhooks = queryOptions({
  queryKey: ["webhooks"],
  queryFn: async ({ signal }) => (await unwrap(api.GET("/v1/webhooks", { signal }))).data,
  refetchInterval: POLL_MS, // deliveries fail without an event
});

export function webhookById(id: string) {
  return queryOptions({
    queryKey: ["webhook", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/v1/webhooks/{webhook_id}", { params: path(id), signal })),
    refetchInterval: POLL_MS, // a response of 410 disables it
  });
}

export function latestDelivery(id: string) {
  return queryOptions({
    queryKey: ["deliveries", id, "latest"],
    queryFn: async ({ signal }) => {
      const params = { ...path(id), query: { limit: 1 } };
      const page = await unwrap(
        api.GET("/v1/webhooks/{webhook_id}/deliveries", { params, signal }),
      );
      return page.data[0] ?? null;
    },
    refetchInterval: POLL_MS,
  });
}

export function deliveriesOf(id: string, status: DeliveryStatus | undefined) {
  return infiniteQueryOptions({
    queryKey: ["deliveries", id, { status }],
    queryFn: ({ pageParam, signal }) => {
      const query = { status, limit: PAGE_SIZE, cursor: pageParam || undefined };
      const params = { ...path(id), query };
      return unwrap(api.GET("/v1/webhooks/{webhook_id}/deliveries", { params, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: ({ state }) => POLL_MS * (state.data?.pages.length ?? 1),
  });
}

export function deliveryById(webhook_id: string, delivery_id: string) {
  return queryOptions({
    queryKey: ["delivery", webhook_id, delivery_id],
    queryFn: ({ signal }) => {
      const params = { path: { webhook_id, delivery_id } };
      return unwrap(
        api.GET("/v1/webhooks/{webhook_id}/deliveries/{delivery_id}", { params, signal }),
      );
    },
    refetchInterval: POLL_MS,
  });
}

/** Change a webhook, then refetch all webhooks and deliveries. */
function useChange<Input, Result>(
  change: (input: Input) => Promise<Result>,
  onDone?: (result: Result) => void,
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (result) => {
      for (const name of ["webhooks", "webhook", "deliveries", "delivery"]) {
        queries.invalidateQueries({ queryKey: [name] });
      }
      onDone?.(result);
    },
  });
}

/** Create a webhook; only the response contains its secret. */
export function useWebhookCreation() {
  return useChange((body: WebhookRequest) => unwrap(api.POST("/v1/webhooks", { body })));
}

export function useWebhookChange(id: string, done?: () => void) {
  return useChange(
    (body: WebhookPatch) =>
      unwrap(api.PATCH("/v1/webhooks/{webhook_id}", { params: path(id), body })),
    done,
  );
}

/** Give a webhook a new secret; only the response contains it. */
export function useWebhookRotation(id: string) {
  return useChange(() =>
    unwrap(api.POST("/v1/webhooks/{webhook_id}/rotate", { params: path(id) })),
  );
}

export function useWebhookTest(id: string) {
  return useChange(() => unwrap(api.POST("/v1/webhooks/{webhook_id}/test", { params: path(id) })));
}

export function useWebhookDeletion(id: string) {
  const queries = useQueryClient();
  const queryKeys = ["webhook", "deliveries", "delivery"].map((name) => ({ queryKey: [name, id] }));
  return useMutation({
    // A poll during the deletion would get 404.
    onMutate: () => Promise.all(queryKeys.map((one) => queries.cancelQueries(one))),
    mutationFn: () => unwrap(api.DELETE("/v1/webhooks/{webhook_id}", { params: path(id) })),
    onSuccess: () => {
      queries.setQueryData(webhooks.queryKey, (known) => known?.filter((one) => one.id !== id));
      for (const one of queryKeys) queries.removeQueries(one);
      queries.invalidateQueries({ queryKey: webhooks.queryKey });
    },
  });
}

/** Send a message again, with the same id. */
export function useRedelivery(webhook_id: string) {
  return useChange((delivery_id: string) =>
    unwrap(
      api.POST("/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", {
        params: { path: { webhook_id, delivery_id } },
      }),
    ),
  );
}
