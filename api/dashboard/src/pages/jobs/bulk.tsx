import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import { isAllowed } from "../../api/actions.ts";
import { type Bulk, type Failure, matchingJobs, useBulk } from "../../api/bulk.ts";
import type { Job } from "../../api/client.ts";
import { isFinal, type JobFilter } from "../../api/jobs.ts";
import { count, shortId } from "../../format.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { searchOf } from "./filters/filter.ts";
import { LabelForm } from "./label-form.tsx";
import { useMatching } from "./matching.ts";
import { clearSelection, renew, type Selection, select, useSelection } from "./selection.ts";
import { jobTitle } from "./table/cells.tsx";
import { pointNames } from "./table/entries.ts";

const MAX_COMPARED = 20;
const MAX_REASONS = 5;
const MAX_NAMES = 5;

interface Props {
  /** The jobs of the list that are loaded, in their present state. */
  listed: Job[];
  filter: JobFilter;
}

/** All jobs that matched a filter when they were selected. */
interface Matching {
  place: string;
  ids: Set<string>;
}

/** Actions for the selected jobs; what is known of them ends with the selection. */
export function BulkBar(props: Props) {
  const selection = useSelection();
  return selection.size > 0 ? <Bar {...props} selection={selection} /> : null;
}

/** Actions for the selected jobs, which need not be in the list. */
function Bar({ listed, filter, selection }: Props & { selection: Selection }) {
  const [matching, setMatching] = useState<Matching>();
  const bulk = useBulk();
  const [failures, setFailures] = useState<Failure[]>([]);
  const present = new Map(listed.map((job) => [job.id, job]));
  const jobs = [...selection.values()].map((job) => present.get(job.id) ?? job);
  const place = searchOf({ ...filter, sort: "-created" });
  const isInside = ({ id }: Job) =>
    present.has(id) || (matching?.place === place && matching.ids.has(id));
  const points = pointNames([...new Map([...selection, ...present]).values()]);
  const titleOf = (job: Job) => [jobTitle(job), points.get(job.id)].filter(Boolean).join(", ");
  const names = (some: Job[]) => (
    <Names jobs={some} titleOf={titleOf} outside={some.filter((job) => !isInside(job)).length} />
  );
  const selectAll = (all: Job[]) => {
    setMatching({ place, ids: new Set(all.map(({ id }) => id)) });
    select(all, true);
  };
  const run = async (chosen: Job[], action: Bulk) => {
    const { done, failed } = await bulk.run(chosen, action);
    setFailures(failed);
    if (action.kind === "delete") select(done, false);
    else renew(done);
  };
  return (
    <section className="bulk" aria-label="Selected jobs">
      <span role="status">
        {jobs.length === 1 ? "1 job selected" : `${jobs.length} jobs selected`}
        {bulk.left > 0 && `, ${bulk.left} left to change`}
      </span>
      {listed.every(({ id }) => selection.has(id)) && (
        <SelectAll filter={filter} inside={jobs.filter(isInside).length} selectAll={selectAll} />
      )}
      <Compare jobs={jobs} />
      <Scoped scope="jobs:write" to="change jobs">
        <Actions jobs={jobs} isBusy={bulk.left > 0} run={run} names={names} />
      </Scoped>
      <button type="button" className="quiet" onClick={clearSelection}>
        Clear selection
      </button>
      {failures.length > 0 && <Failures failures={failures} titleOf={titleOf} />}
    </section>
  );
}

interface SelectAllProps {
  filter: JobFilter;
  /** How many of the selected jobs match the filter. */
  inside: number;
  selectAll: (jobs: Job[]) => void;
}

/** Selects also the jobs that match the filter and are not loaded. */
function SelectAll({ filter, inside, selectAll }: SelectAllProps) {
  const total = useMatching(filter, 0);
  const find = useMutation({ mutationFn: () => matchingJobs(filter), onSuccess: selectAll });
  if (inside >= total) return null;
  return (
    <>
      <button type="button" disabled={find.isPending} onClick={() => find.mutate()}>
        Select all {count(total)} that match
      </button>
      {find.error !== null && <ErrorNote error={find.error} />}
    </>
  );
}

interface NamesProps {
  jobs: Job[];
  titleOf: (job: Job) => string;
  outside: number;
}

/** The names of the first jobs, and how many of all are outside of the filter. */
function Names({ jobs, titleOf, outside }: NamesProps) {
  const others = jobs.length - MAX_NAMES;
  return (
    <div className="bulk-names">
      <ul>
        {jobs.slice(0, MAX_NAMES).map((job) => (
          <li key={job.id}>
            {titleOf(job)} <span className="faint mono">{shortId(job.id)}</span>
          </li>
        ))}
        {others > 0 && <li>and {count(others)} more</li>}
      </ul>
      {outside > 0 && (
        <p className="problem-word">
          {outside === jobs.length ? "All" : count(outside)} of them {outside === 1 ? "is" : "are"}{" "}
          outside of the filter.
        </p>
      )}
    </div>
  );
}

function Compare({ jobs }: { jobs: Job[] }) {
  if (jobs.length > MAX_COMPARED)
    return <span className="faint">Compare at most {MAX_COMPARED} jobs</span>;
  return (
    jobs.length >= 2 && (
      <Link className="button" href={`/compare?ids=${jobs.map((job) => job.id).join(",")}`}>
        <Icon name="compare" />
        Compare
      </Link>
    )
  );
}

interface ActionsProps {
  jobs: Job[];
  isBusy: boolean;
  run: (jobs: Job[], action: Bulk) => Promise<void>;
  names: (jobs: Job[]) => ReactNode;
}

function Actions({ jobs, isBusy, run, names }: ActionsProps) {
  const stoppable = jobs.filter((job) => isAllowed("cancel", job.status));
  const ended = jobs.filter((job) => isAllowed("retry", job.status));
  const final = jobs.filter((job) => isFinal(job.status));
  return (
    <>
      {stoppable.length > 0 && (
        <Confirm
          label={`Cancel ${stoppable.length}`}
          icon="cancel"
          title={stoppable.length === 1 ? "Cancel this job?" : `Cancel ${stoppable.length} jobs?`}
          message={`${stoppable.length === 1 ? "The job" : "Each job"} stops after its current block and produces no files. You can retry it later.`}
          confirmLabel={stoppable.length === 1 ? "Cancel the job" : "Cancel the jobs"}
          cancelLabel={stoppable.length === 1 ? "Keep it running" : "Keep them running"}
          isBusy={isBusy}
          onConfirm={() => run(stoppable, { kind: "cancel" })}
        >
          {names(stoppable)}
        </Confirm>
      )}
      {ended.length > 0 && (
        <Confirm
          label={`Retry ${ended.length}`}
          icon="retry"
          title={ended.length === 1 ? "Retry this job?" : `Retry ${ended.length} jobs?`}
          message={retryMessage(ended)}
          confirmLabel={ended.length === 1 ? "Retry the job" : "Retry the jobs"}
          cancelLabel="Do not retry"
          isBusy={isBusy}
          onConfirm={() => run(ended, { kind: "retry" })}
        >
          {names(ended)}
        </Confirm>
      )}
      <LabelForm jobs={jobs} isBusy={isBusy} run={(action) => run(jobs, action)}>
        {names(jobs)}
      </LabelForm>
      {final.length > 0 && (
        <Confirm
          label={`Delete ${final.length}`}
          title={final.length === 1 ? "Delete this job?" : `Delete ${final.length} jobs?`}
          message="Files, events and logs are deleted permanently."
          confirmLabel={final.length === 1 ? "Delete the job" : "Delete the jobs"}
          cancelLabel={final.length === 1 ? "Keep it" : "Keep them"}
          isBusy={isBusy}
          onConfirm={() => run(final, { kind: "delete" })}
        >
          {names(final)}
        </Confirm>
      )}
    </>
  );
}

function retryMessage(jobs: Job[]): string {
  const hopeless = jobs.filter((job) => job.error && !job.error.retryable).length;
  const start = "Each job continues after its last finished block.";
  if (hopeless === 0) return start;
  return `${start} ${hopeless} of them failed for a reason that a retry does not change.`;
}

interface FailuresProps {
  failures: Failure[];
  titleOf: (job: Job) => string;
}

function Failures({ failures, titleOf }: FailuresProps) {
  return (
    <div className="note is-failed" role="alert">
      <Icon name="warning" />
      <ul>
        {failures.slice(0, MAX_REASONS).map(({ job, error }) => (
          <li key={job.id}>
            {titleOf(job)}: {error.message}
          </li>
        ))}
        {failures.length > MAX_REASONS && <li>and {failures.length - MAX_REASONS} more</li>}
      </ul>
    </div>
  );
}
