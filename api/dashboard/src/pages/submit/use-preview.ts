import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { preview, type Submission } from "../../api/actions.ts";
import { useDebounced } from "./use-debounced.ts";

/** Check a request with a dry run, after a pause in typing. */
export function usePreview(submission: Submission | null) {
  const current = JSON.stringify(submission);
  const debounced = useDebounced(current);
  const query = useQuery({
    queryKey: ["preview", debounced],
    queryFn: ({ signal }) => preview(JSON.parse(debounced) as Submission, signal),
    enabled: debounced !== "null",
    retry: false,
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
  const isWaiting = current !== debounced || query.isFetching;
  return { ...query, isWaiting };
}
