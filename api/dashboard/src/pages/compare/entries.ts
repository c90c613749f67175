/** The jobs of a comparison, with their names and colours, and the reasons why some are left out. */

import type { Job } from "../../api/client.ts";
import { modelName, shortId } from "../../format.ts";

const MAX_NAME_LENGTH = 28;

/** A job with figures. */
export interface Entry {
  job: Job;
  name: string;
  /** Its look in every plot. */
  style: number;
  isBaseline: boolean;
  /** Why its metrics cannot be compared with the baseline's; null until the service has said it. */
  obstacles: string[] | null;
}

/** A job of the address that cannot be compared. */
export interface LeftOut {
  id: string;
  name: string;
  reason: string;
}

export interface Found {
  id: string;
  job: Job | undefined;
  isUnknown: boolean;
}

/** Divide the jobs into those with figures and those without. */
export function divide(found: Found[], baseline: string | null) {
  const withFigures = found.flatMap(({ job }, style) =>
    job !== undefined && hasFigures(job) ? [{ job, style, name: nameOf(job) }] : [],
  );
  const first = withFigures.find(({ job }) => job.id === baseline) ?? withFigures[0];
  const entries: Entry[] = withFigures.map((one) => ({
    ...one,
    isBaseline: one === first,
    obstacles: null,
  }));
  const leftOut: LeftOut[] = found.flatMap(({ id, job, isUnknown }) => {
    if (isUnknown) return [{ id, name: shortId(id), reason: "there is no such job" }];
    if (job === undefined || hasFigures(job)) return [];
    return [{ id, name: nameOf(job), reason: `${job.status}, without figures` }];
  });
  return { entries, leftOut };
}

export function isComparable({ obstacles }: Entry): boolean {
  return obstacles?.length === 0;
}

function hasFigures({ status, result }: Job): boolean {
  return status === "succeeded" && result !== null;
}

export function nameOf(job: Job): string {
  const name = job.name || modelName(job.spec.model);
  const shown = name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name;
  return `${shown} ${shortId(job.id)}`;
}
