import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";
import type { Job } from "../../api/client.ts";
import { asQuery, type JobFilter, jobList } from "../../api/jobs.ts";
import { count } from "../../format.ts";
import { CsvButton } from "../../ui/csv.tsx";
import { HealthStrip } from "../../ui/health.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Title } from "../../ui/title.tsx";
import { BulkBar } from "./bulk.tsx";
import { cleared, filterOf, isFiltered, searchOf } from "./filters/filter.ts";
import { FilterContext } from "./filters/filter-context.ts";
import { Filters } from "./filters/filters.tsx";
import { ViewMenu } from "./filters/view-menu.tsx";
import { FirstSteps } from "./first-steps.tsx";
import { useMatching } from "./matching.ts";
import { useColumns } from "./table/chosen-columns.ts";
import { ColumnMenu } from "./table/column-menu.tsx";
import { entriesOf } from "./table/entries.ts";
import { JobTable } from "./table/table.tsx";

export function JobsPage() {
  const search = useSearch();
  const [, go] = useLocation();
  const filter = useMemo(() => filterOf(search), [search]);
  const open = useCallback(
    (next: string, replace = false) => go(next ? `/?${next}` : "/", { replace }),
    [go],
  );
  const change = useCallback(
    // A word that is typed is one step back, not one for each letter.
    (next: JobFilter) => open(searchOf(next), Boolean(filter.q && next.q && filter.q !== next.q)),
    [open, filter.q],
  );
  const filtered = useMemo(() => ({ filter, change }), [filter, change]);
  const [shown, changeColumns] = useColumns();
  const list = useInfiniteQuery({ ...jobList(filter), placeholderData: (old) => old });
  const jobs = useMemo(
    () => list.data?.pages.flatMap((page) => page.data as Job[]) ?? [],
    [list.data],
  );
  const isLoading = list.isPending || (list.isPlaceholderData && jobs.length === 0);
  const isEmpty = list.isSuccess && !isLoading && jobs.length === 0;
  const isNew = isEmpty && !isFiltered(filter);
  return (
    <FilterContext value={filtered}>
      <Title text="Jobs" />
      {!isNew && <HealthStrip />}
      {!isNew && (
        <Filters jobs={jobs}>
          <ColumnMenu shown={shown} change={changeColumns} />
          <ViewMenu
            search={searchOf(filter)}
            open={open}
            shown={shown}
            changeColumns={changeColumns}
          />
        </Filters>
      )}
      {isLoading && <Loading what="jobs" lines={8} />}
      {list.isError && !list.isFetchNextPageError && (
        <ErrorNote error={list.error} retry={() => list.refetch()} />
      )}
      {isNew && <FirstSteps />}
      {isEmpty && !isNew && (
        <Empty title="No jobs match">
          <p>Remove a filter, or search for something else.</p>
          <button type="button" onClick={() => change(cleared(filter))}>
            Show all jobs
          </button>
        </Empty>
      )}
      {jobs.length > 0 && <List jobs={jobs} filter={filter} shown={shown} list={list} />}
      <BulkBar listed={jobs} filter={filter} />
    </FilterContext>
  );
}

interface ListProps {
  jobs: Job[];
  filter: JobFilter;
  shown: Record<string, boolean>;
  list: {
    hasNextPage: boolean;
    isFetchingNextPage: boolean;
    isError: boolean;
    isFetchNextPageError: boolean;
    error: Error | null;
    fetchNextPage: () => unknown;
  };
}

function List({ jobs, filter, shown, list }: ListProps) {
  const isByTime = filter.sort === "created" || filter.sort === "-created";
  const folds = isByTime && !filter.sweep;
  const entries = useMemo(() => entriesOf(jobs, folds), [jobs, folds]);
  const place = searchOf(filter);
  // After an error, the next page is fetched on request or after a refresh.
  const isReady = list.hasNextPage && !list.isFetchingNextPage && !list.isError;
  return (
    <>
      <JobTable
        key={place}
        place={place}
        entries={entries}
        shown={shown}
        isWhole={!list.hasNextPage}
        more={isReady ? list.fetchNextPage : null}
      />
      {list.isFetchNextPageError ? (
        <ErrorNote error={list.error} retry={() => list.fetchNextPage()} />
      ) : (
        <Total loaded={jobs.length} filter={filter} />
      )}
    </>
  );
}

/** The number of jobs that match, and of those that are loaded. */
function Total({ loaded, filter }: { loaded: number; filter: JobFilter }) {
  const total = useMatching(filter, loaded);
  return (
    <div className="row tight end-of-list">
      <p className="faint" role="status">
        {total === 1 ? "1 job" : `${count(total)} jobs`}
        {loaded < total && `, ${count(loaded)} loaded`}
      </p>
      <CsvButton list="jobs" query={{ ...asQuery(filter), sort: filter.sort }} />
    </div>
  );
}
