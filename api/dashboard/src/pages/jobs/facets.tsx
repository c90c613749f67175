import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Status } from "../../api/client.ts";
import { type JobFilter, jobFacets } from "../../api/jobs.ts";
import { Icon } from "../../ui/icon.tsx";
import { isFiltered, toggled } from "./filter.ts";

interface Props {
  filter: JobFilter;
  change: (filter: JobFilter) => void;
}

const ORDER: Status[] = [
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

/** The filters of the list, with the number of jobs for each value. */
export function Filters({ filter, change }: Props) {
  const { data } = useQuery({ ...jobFacets(filter), placeholderData: (old) => old });
  const counts: Partial<Record<string, number>> = data?.status ?? {};
  const statuses = ORDER.filter((one) => counts[one] || filter.status.includes(one));
  const methods = Object.entries(data?.method ?? {});
  return (
    <search className="filters">
      <Search filter={filter} change={change} />
      <fieldset className="chips">
        <legend className="unseen">Status</legend>
        {statuses.map((status) => (
          <label key={status} className={`chip is-${status}`}>
            <input
              type="checkbox"
              checked={filter.status.includes(status)}
              onChange={() => change({ ...filter, status: toggled(filter.status, status) })}
            />
            <span>
              {status} <b className="figure">{counts[status] ?? 0}</b>
            </span>
          </label>
        ))}
      </fieldset>
      <div className="row">
        <label>
          <span className="unseen">Method</span>
          <select
            value={filter.method ?? ""}
            onChange={(event) => change({ ...filter, method: event.target.value || undefined })}
          >
            <option value="">All methods</option>
            {methods.map(([method, count]) => (
              <option key={method} value={method}>
                {method} ({count})
              </option>
            ))}
            {filter.method && !data?.method[filter.method] && <option>{filter.method}</option>}
          </select>
        </label>
        <label>
          <span className="unseen">Order</span>
          <select
            value={filter.sort}
            onChange={(event) =>
              change({ ...filter, sort: event.target.value as JobFilter["sort"] })
            }
          >
            <option value="-created">Newest first</option>
            <option value="created">Oldest first</option>
          </select>
        </label>
        {isFiltered(filter) && (
          <button
            type="button"
            className="quiet"
            onClick={() => change({ status: [], sort: filter.sort })}
          >
            Clear filters
          </button>
        )}
      </div>
    </search>
  );
}

/** Searches after a pause in typing. */
function Search({ filter, change }: Props) {
  const [text, setText] = useState(filter.q ?? "");
  useEffect(() => setText(filter.q ?? ""), [filter.q]);
  useEffect(() => {
    if (text === (filter.q ?? "")) return;
    const timer = setTimeout(() => change({ ...filter, q: text || undefined }), 250);
    return () => clearTimeout(timer);
  }, [text, filter, change]);
  return (
    <label className="search">
      <Icon name="search" />
      <span className="unseen">Search names and models</span>
      <input
        type="search"
        placeholder="Search names and models"
        maxLength={200}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}
