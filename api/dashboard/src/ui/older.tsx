import type { UseInfiniteQueryResult } from "@tanstack/react-query";

type List = Pick<UseInfiniteQueryResult, "hasNextPage" | "isFetchingNextPage" | "fetchNextPage">;

/** The way to the next page of a list, where there is one. */
export function Older({ list }: { list: List }) {
  if (!list.hasNextPage) return null;
  return (
    <p>
      <button type="button" disabled={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
        Show older ones
      </button>
    </p>
  );
}
