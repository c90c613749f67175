import type { UseInfiniteQueryResult } from "@tanstack/react-query";

type List = Pick<UseInfiniteQueryResult, "hasNextPage" | "isFetchingNextPage" | "fetchNextPage">;

/** A button for the next page of a list, if there is one. */
export function Older({ list }: { list: List }) {
  if (!list.hasNextPage) return null;
  return (
    <p>
      <button type="button" disabled={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
        Show older
      </button>
    </p>
  );
}
