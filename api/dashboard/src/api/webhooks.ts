/** Who is told what happens, and what went out to each. */

import {
  infiniteQueryOptions,
  queryOptions,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { api, ask } from "./client.ts";
import type { components } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Webhook = Schemas["WebhookRead"];
export type WebhookRequest = Schemas["WebhookRequest"];
export type WebhookPatch = Schemas["WebhookPatch"];
export type EventType = Schemas["EventType"];
export type Delivery = Schemas["DeliveryRead"];
export type DeliveryAttempt = Schemas["DeliveryAttempt"];
export type DeliveryStatus = Schemas["DeliveryStatus"];

// No stream tells of deliveries; a tab out of sight does not ask.
const EVERY_MS = 3000;
const PAGE_SIZE = 50;

const path = (webhook_id: string) => ({ path: { webhook_id } });

export const webhooks = queryOptions({
  queryKey: ["webhooks"],
  queryFn: async ({ signal }) => (await ask(api.GET("/v1/webhooks", { signal }))).data,
});

export function webhookById(id: string) {
  return queryOptions({
    queryKey: ["webhook", id],
    queryFn: ({ signal }) =>
      ask(api.GET("/v1/webhooks/{webhook_id}", { params: path(id), signal })),
    refetchInterval: EVERY_MS, // its address may answer that it is gone
  });
}

export function latestDelivery(id: string) {
  return queryOptions({
    queryKey: ["deliveries", id, "latest"],
    queryFn: async ({ signal }) => {
      const params = { ...path(id), query: { limit: 1 } };
      const page = await ask(api.GET("/v1/webhooks/{webhook_id}/deliveries", { params, signal }));
      return page.data[0] ?? null;
    },
    refetchInterval: EVERY_MS,
  });
}

export function deliveriesOf(id: string, status: DeliveryStatus | undefined) {
  return infiniteQueryOptions({
    queryKey: ["deliveries", id, { status }],
    queryFn: ({ pageParam, signal }) => {
      const query = { status, limit: PAGE_SIZE, cursor: pageParam || undefined };
      const params = { ...path(id), query };
      return ask(api.GET("/v1/webhooks/{webhook_id}/deliveries", { params, signal }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: ({ state }) => EVERY_MS * (state.data?.pages.length ?? 1),
  });
}

export function deliveryById(webhook_id: string, delivery_id: string) {
  return queryOptions({
    queryKey: ["delivery", webhook_id, delivery_id],
    queryFn: ({ signal }) => {
      const params = { path: { webhook_id, delivery_id } };
      return ask(api.GET("/v1/webhooks/{webhook_id}/deliveries/{delivery_id}", { params, signal }));
    },
    refetchInterval: EVERY_MS,
  });
}

/** Do something about webhooks, then look how they stand. */
function useChange<Asked, Answer>(
  change: (asked: Asked) => Promise<Answer>,
  done?: (answer: Answer) => void,
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSuccess: (answer) => {
      for (const name of ["webhooks", "webhook", "deliveries", "delivery"]) {
        queries.invalidateQueries({ queryKey: [name] });
      }
      done?.(answer);
    },
  });
}

/** Make a webhook; the answer alone holds its secret. */
export function useWebhookCreation() {
  return useChange((body: WebhookRequest) => ask(api.POST("/v1/webhooks", { body })));
}

export function useWebhookChange(id: string, done?: () => void) {
  return useChange(
    (body: WebhookPatch) => ask(api.PATCH("/v1/webhooks/{webhook_id}", { params: path(id), body })),
    done,
  );
}

/** Give a webhook another secret; the answer alone holds it. */
export function useWebhookRotation(id: string) {
  return useChange(() => ask(api.POST("/v1/webhooks/{webhook_id}/rotate", { params: path(id) })));
}

export function useWebhookTest(id: string) {
  return useChange(() => ask(api.POST("/v1/webhooks/{webhook_id}/test", { params: path(id) })));
}

export function useWebhookDeletion(id: string, done: () => void) {
  const queries = useQueryClient();
  const about = ["webhook", "deliveries", "delivery"].map((name) => ({ queryKey: [name, id] }));
  return useMutation({
    // What asks for it while it goes would hear that there is none.
    onMutate: () => Promise.all(about.map((one) => queries.cancelQueries(one))),
    mutationFn: () => ask(api.DELETE("/v1/webhooks/{webhook_id}", { params: path(id) })),
    onSuccess: () => {
      queries.setQueryData(webhooks.queryKey, (known) => known?.filter((one) => one.id !== id));
      done();
      for (const one of about) queries.removeQueries(one);
      queries.invalidateQueries({ queryKey: webhooks.queryKey });
    },
  });
}

/** Send a message once more, under the same id. */
export function useRedelivery(webhook_id: string) {
  return useChange((delivery_id: string) =>
    ask(
      api.POST("/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", {
        params: { path: { webhook_id, delivery_id } },
      }),
    ),
  );
}
