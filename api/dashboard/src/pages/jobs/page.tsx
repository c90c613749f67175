import { useInfiniteQuery } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";
import type { Job } from "../../api/client.ts";
import { type JobFilter, jobList } from "../../api/jobs.ts";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Title } from "../../ui/title.tsx";
import { BulkBar } from "./bulk.tsx";
import { Filters } from "./facets.tsx";
import { filterOf, isFiltered, searchOf, toggled } from "./filter.ts";
import { FirstSteps } from "./first-steps.tsx";
import { JobRow } from "./row.tsx";
import { useWindowed } from "./windowed.ts";

export function JobsPage() {
  const search = useSearch();
  const [, go] = useLocation();
  const filter = useMemo(() => filterOf(search), [search]);
  const change = useCallback(
    (next: JobFilter) => {
      const query = searchOf(next);
      go(query ? `/?${query}` : "/", { replace: true });
    },
    [go],
  );
  const list = useInfiniteQuery({ ...jobList(filter), placeholderData: (old) => old });
  const jobs = useMemo(
    () => list.data?.pages.flatMap((page) => page.data as Job[]) ?? [],
    [list.data],
  );
  const isLoading = list.isPending || (list.isPlaceholderData && jobs.length === 0);
  const isEmpty = list.isSuccess && !isLoading && jobs.length === 0;
  const isNew = isEmpty && !isFiltered(filter);
  return (
    <>
      <Title text="Jobs" />
      {!isNew && <Filters filter={filter} change={change} />}
      {isLoading && <Loading what="jobs" lines={8} />}
      {list.isError && !list.isFetchNextPageError && (
        <ErrorNote error={list.error} retry={() => list.refetch()} />
      )}
      {isNew && <FirstSteps />}
      {isEmpty && !isNew && (
        <Empty title="No jobs match">
          <p>Remove a filter, or search for something else.</p>
          <button type="button" onClick={() => change({ status: [], sort: filter.sort })}>
            Show all jobs
          </button>
        </Empty>
      )}
      {jobs.length > 0 && (
        <JobList
          jobs={jobs}
          // After an error, the next page is fetched on request or after a refresh.
          more={
            list.hasNextPage && !list.isFetchingNextPage && !list.isError
              ? list.fetchNextPage
              : null
          }
          hasMore={list.hasNextPage}
        >
          {list.isFetchNextPageError && (
            <ErrorNote error={list.error} retry={() => list.fetchNextPage()} />
          )}
        </JobList>
      )}
    </>
  );
}

interface ListProps {
  jobs: Job[];
  more: (() => unknown) | null;
  hasMore: boolean;
  /** The error of the next page, if any. */
  children: ReactNode;
}

function JobList({ jobs, more, hasMore, children }: ListProps) {
  const [chosen, setChosen] = useState<string[]>([]);
  const choose = useCallback((id: string) => setChosen((old) => toggled(old, id)), []);
  const list = useRef<HTMLUListElement>(null);
  const { first, end, above, below } = useWindowed(list, jobs.length);
  const isNearEnd = end >= jobs.length - 10;
  useEffect(() => {
    if (isNearEnd) more?.();
  }, [isNearEnd, more]);
  return (
    <>
      <div className="job-head faint" aria-hidden="true">
        <i />
        <span>Job</span>
        <span>Recipe</span>
        <span>Status</span>
        <span>Progress</span>
        <span>Error</span>
        <span className="end">Perplexity</span>
      </div>
      <ul className="job-list" ref={list} aria-label="Jobs">
        <li aria-hidden="true" style={{ height: above }} />
        {jobs.slice(first, end).map((job) => (
          <JobRow key={job.id} job={job} isChosen={chosen.includes(job.id)} choose={choose} />
        ))}
        <li aria-hidden="true" style={{ height: below }} />
      </ul>
      {children || (
        <p className="faint end-of-list" role="status">
          {hasMore
            ? "Loading more jobs…"
            : `${jobs.length === 1 ? "1 job" : `${jobs.length} jobs`}`}
        </p>
      )}
      <BulkBar jobs={jobs.filter((job) => chosen.includes(job.id))} clear={() => setChosen([])} />
    </>
  );
}
