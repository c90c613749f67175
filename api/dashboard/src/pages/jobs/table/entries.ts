/** The rows of the list: jobs, and sweeps whose jobs are folded into one row. */

import type { Job } from "../../../api/client.ts";
import { valueInWords } from "../../sweeps/points.ts";

export type Entry =
  | { kind: "job"; id: string; job: Job; within?: string; name?: string }
  | SweepEntry;

export interface SweepEntry {
  kind: "sweep";
  id: string;
  jobs: Job[];
}

/** Return one entry for each job, or for the jobs of each sweep at the place of its first. */
export function entriesOf(jobs: Job[], folds: boolean): Entry[] {
  const sweeps = new Map<string, SweepEntry>();
  const entries: Entry[] = [];
  for (const job of jobs) {
    const known = job.sweep_id === null ? undefined : sweeps.get(job.sweep_id);
    if (known) {
      known.jobs.push(job);
    } else if (folds && job.sweep_id !== null) {
      const sweep: SweepEntry = { kind: "sweep", id: job.sweep_id, jobs: [job] };
      sweeps.set(job.sweep_id, sweep);
      entries.push(sweep);
    } else {
      entries.push({ kind: "job", id: job.id, job });
    }
  }
  return entries.map((one) => (one.kind === "sweep" && one.jobs.length === 1 ? single(one) : one));
}

export function jobsOf(entry: Entry): Job[] {
  return entry.kind === "job" ? [entry.job] : entry.jobs;
}

/** Return the rows below a sweep's. */
export function pointsOf(entry: Entry): Entry[] {
  if (entry.kind === "job") return [];
  const names = varied(entry.jobs);
  return entry.jobs.map((job) => ({
    ...{ kind: "job", id: job.id, job, within: entry.id },
    name: names.map((name) => valueInWords(name, fieldOf(job, name))).join(", "),
  }));
}

/** Return the names of the points of sweeps among jobs, by their ids. */
export function pointNames(jobs: Job[]): Map<string, string> {
  const points = entriesOf(jobs, true).flatMap(pointsOf);
  return new Map(points.map((one) => [one.id, (one.kind === "job" && one.name) || ""]));
}

/** Return the fields in which the jobs of a sweep differ. */
function varied(jobs: Job[]): string[] {
  const names = Object.keys(jobs[0]?.spec ?? {});
  return names.filter(
    (name) => new Set(jobs.map((job) => JSON.stringify(fieldOf(job, name)))).size > 1,
  );
}

function fieldOf({ spec }: Job, name: string): unknown {
  return (spec as unknown as Record<string, unknown>)[name];
}

function single({ jobs: [job], ...sweep }: SweepEntry): Entry {
  return job ? { kind: "job", id: job.id, job } : { ...sweep, jobs: [] };
}
