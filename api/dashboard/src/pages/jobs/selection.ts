/** The selected jobs; they stay selected when the list is searched, or left and opened again. */

import { useSyncExternalStore } from "react";
import type { Job } from "../../api/client.ts";

export type Selection = ReadonlyMap<string, Job>;

let selected: Selection = new Map();
const listeners = new Set<() => void>();

export function select(jobs: Job[], isSelected: boolean): void {
  const next = new Map(selected);
  for (const job of jobs) {
    if (isSelected) next.set(job.id, job);
    else next.delete(job.id);
  }
  selected = next;
  for (const listener of listeners) listener();
}

/** Replace those of the jobs that are still selected by their present state. */
export function renew(jobs: Job[]): void {
  select(
    jobs.filter(({ id }) => selected.has(id)),
    true,
  );
}

export function clearSelection(): void {
  select([...selected.values()], false);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useSelection(): Selection {
  return useSyncExternalStore(subscribe, () => selected);
}

/** Return the entries between two, both included, wherever they are in the list. */
export function between<T extends { id: string }>(entries: T[], one: string, other: string): T[] {
  const [first, last] = [one, other]
    .map((id) => entries.findIndex((entry) => entry.id === id))
    .sort((a, b) => a - b);
  if (first === undefined || last === undefined || first < 0) return [];
  return entries.slice(first, last + 1);
}
