import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type Order, preview } from "../../api/actions.ts";
import { useRested } from "./use-rested.ts";

/** Ask the service what it would make of an order, once the typing rests. */
export function usePreview(order: Order | null) {
  const asked = JSON.stringify(order);
  const rested = useRested(asked);
  const query = useQuery({
    queryKey: ["preview", rested],
    queryFn: ({ signal }) => preview(JSON.parse(rested) as Order, signal),
    enabled: rested !== "null",
    retry: false,
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
  const isWaiting = asked !== rested || query.isFetching;
  return { ...query, isWaiting };
}
