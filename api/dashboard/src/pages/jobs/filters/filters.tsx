import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Job, Status } from "../../../api/client.ts";
import { RANGES } from "../../../api/created-within.ts";
import { type JobFilter, jobFacets, type Sort } from "../../../api/jobs.ts";
import { count } from "../../../format.ts";
import { toggled } from "../../../ui/toggled.ts";
import { cleared, isFiltered, ORDERS } from "./filter.ts";
import { useFilter } from "./filter-context.ts";
import { MoreFilters, Removable } from "./more-filters.tsx";
import { Search } from "./search.tsx";

const STATUSES: Status[] = [
  "running",
  "queued",
  "pausing",
  "paused",
  "cancelling",
  "succeeded",
  "failed",
  "cancelled",
  "expired",
];
const VERDICTS = [
  { verdict: "pass", label: "gate passed", tone: "is-succeeded" },
  { verdict: "fail", label: "gate failed", tone: "is-failed" },
];

interface Props {
  /** The jobs of the list, whose values are suggested. */
  jobs: Job[];
  /** Menus at the end of the row. */
  children: ReactNode;
}

/** The filters of the list, with the number of jobs for each status, verdict and method. */
export function Filters({ jobs, children }: Props) {
  const { filter, change } = useFilter();
  const { data } = useQuery({ ...jobFacets(filter), placeholderData: (old) => old });
  return (
    <search className="filters">
      <Search />
      <Choices filter={filter} change={change} methods={data?.method ?? {}} />
      <MoreFilters jobs={jobs} />
      <div className="row tight menus">{children}</div>
      <div className="row chip-row">
        <Chips statuses={data?.status ?? {}} verdicts={data?.verdict ?? {}} />
        <Removable />
        {isFiltered(filter) && (
          <button type="button" className="quiet" onClick={() => change(cleared(filter))}>
            Clear filters
          </button>
        )}
      </div>
    </search>
  );
}

interface ChoicesProps {
  filter: JobFilter;
  change: (filter: JobFilter) => void;
  methods: Record<string, number>;
}

function Choices({ filter, change, methods }: ChoicesProps) {
  return (
    <>
      <label>
        <span className="unseen">Created</span>
        <select
          value={filter.time ?? ""}
          onChange={({ target }) =>
            change({ ...filter, time: target.value || undefined, from: undefined, to: undefined })
          }
        >
          <option value="">Any time</option>
          {RANGES.map(({ name, label }) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {filter.time === "custom" && <Custom filter={filter} change={change} />}
      <label>
        <span className="unseen">Method</span>
        <select
          value={filter.method ?? ""}
          onChange={({ target }) => change({ ...filter, method: target.value || undefined })}
        >
          <option value="">All methods</option>
          {Object.entries(methods).map(([method, count]) => (
            <option key={method} value={method}>
              {method} ({count})
            </option>
          ))}
          {filter.method && !methods[filter.method] && <option>{filter.method}</option>}
        </select>
      </label>
      <label>
        <span className="unseen">Order</span>
        <select
          value={filter.sort}
          onChange={({ target }) => change({ ...filter, sort: target.value as Sort })}
        >
          {ORDERS.map(({ sort, label }) => (
            <option key={sort} value={sort}>
              {label}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

function Custom({ filter, change }: Omit<ChoicesProps, "methods">) {
  return (["from", "to"] as const).map((end) => (
    <label key={end} className="row tight">
      {end === "from" ? "From" : "to"}
      <input
        type="datetime-local"
        value={filter[end] ?? ""}
        onChange={({ target }) => change({ ...filter, [end]: target.value || undefined })}
      />
    </label>
  ));
}

interface ChipsProps {
  statuses: Partial<Record<string, number>>;
  verdicts: Partial<Record<string, number>>;
}

function Chips({ statuses, verdicts }: ChipsProps) {
  const { filter, change } = useFilter();
  const offered = STATUSES.filter((one) => statuses[one] || filter.status.includes(one));
  const judged = VERDICTS.filter(({ verdict }) => verdicts[verdict] || filter.verdict === verdict);
  return (
    <>
      <fieldset className="chips">
        <legend className="unseen">Status</legend>
        {offered.map((status) => (
          <Chip
            key={status}
            label={status}
            tone={`is-${status}`}
            jobs={statuses[status]}
            isChosen={filter.status.includes(status)}
            choose={() => change({ ...filter, status: toggled(filter.status, status) })}
          />
        ))}
      </fieldset>
      {judged.length > 0 && (
        <fieldset className="chips">
          <legend className="unseen">Verdict</legend>
          {judged.map(({ verdict, label, tone }) => (
            <Chip
              key={verdict}
              label={label}
              tone={tone}
              jobs={verdicts[verdict]}
              isChosen={filter.verdict === verdict}
              choose={() => {
                const next = filter.verdict === verdict ? undefined : verdict;
                change({ ...filter, verdict: next });
              }}
            />
          ))}
        </fieldset>
      )}
    </>
  );
}

interface ChipProps {
  label: string;
  tone: string;
  jobs: number | undefined;
  isChosen: boolean;
  choose: () => void;
}

function Chip({ label, tone, jobs = 0, isChosen, choose }: ChipProps) {
  return (
    <label className={`chip ${tone}`}>
      <input type="checkbox" checked={isChosen} onChange={choose} />
      <span>
        {label} <b className="figure">{count(jobs)}</b>
      </span>
    </label>
  );
}
