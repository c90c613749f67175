import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
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
      const said = searchOf(next);
      go(said ? `/?${said}` : "/", { replace: true });
    },
    [go],
  );
  const list = useInfiniteQuery({ ...jobList(filter), placeholderData: (old) => old });
  const jobs = useMemo(
    () => list.data?.pages.flatMap((page) => page.data as Job[]) ?? [],
    [list.data],
  );
  const isNew = jobs.length === 0 && !isFiltered(filter);
  return (
    <>
      <Title text="Jobs" />
      {!(list.isSuccess && isNew) && <Filters filter={filter} change={change} />}
      {list.isPending && <Loading what="jobs" lines={8} />}
      {list.isError && jobs.length === 0 && (
        <ErrorNote error={list.error} retry={() => list.refetch()} />
      )}
      {list.isSuccess && isNew && <FirstSteps />}
      {list.isSuccess && jobs.length === 0 && !isNew && (
        <Empty title="No job is like that">
          <p>Take a filter away, or search for something else.</p>
          <button type="button" onClick={() => change({ status: [], sort: filter.sort })}>
            Show all jobs
          </button>
        </Empty>
      )}
      {jobs.length > 0 && (
        <JobList
          jobs={jobs}
          more={list.hasNextPage && !list.isFetchingNextPage ? list.fetchNextPage : null}
          isMoreComing={list.hasNextPage}
        />
      )}
    </>
  );
}

interface ListProps {
  jobs: Job[];
  more: (() => unknown) | null;
  isMoreComing: boolean;
}

function JobList({ jobs, more, isMoreComing }: ListProps) {
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
        <li className="spacer" aria-hidden="true" style={{ height: above }} />
        {jobs.slice(first, end).map((job) => (
          <JobRow key={job.id} job={job} isChosen={chosen.includes(job.id)} choose={choose} />
        ))}
        <li className="spacer" aria-hidden="true" style={{ height: below }} />
      </ul>
      <p className="faint end-of-list" role="status">
        {isMoreComing
          ? "More jobs are coming…"
          : `${jobs.length === 1 ? "1 job" : `${jobs.length} jobs`}`}
      </p>
      <BulkBar jobs={jobs.filter((job) => chosen.includes(job.id))} clear={() => setChosen([])} />
    </>
  );
}
