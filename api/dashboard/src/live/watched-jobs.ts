/**
 * Notifies the person when a watched job has ended.
 *
 * A hidden tab has no event stream, and is the one from which a notification is wanted, so watched
 * jobs are polled; one tab of the browser does it.
 */

import type { Job } from "../api/client.ts";
import { fetchJob, isFinal } from "../api/jobs.ts";
import { ProblemError } from "../api/problem.ts";
import { readStored, store } from "../storage.ts";
import { live } from "./state.ts";

const STORAGE_KEY = "zpruner.watched";
const POLL_MS = 5000;
const LOCK = "zpruner.watched";

type Watched = Record<string, string>;

/** Return the names of the watched jobs by their ids. */
export function watchedJobs(): Watched {
  try {
    return JSON.parse(readStored(STORAGE_KEY) ?? "{}") as Watched;
  } catch {
    return {};
  }
}

/** Whether this browser can notify: only over HTTPS and on localhost. */
export function canNotify(): boolean {
  return "Notification" in globalThis && "locks" in navigator;
}

/** Ask for the permission and watch a job; return whether it was given. */
export async function watch(id: string, name: string): Promise<boolean> {
  if ((await Notification.requestPermission()) !== "granted") return false;
  save({ ...watchedJobs(), [id]: name });
  return true;
}

export function unwatch(id: string): void {
  const { [id]: _, ...others } = watchedJobs();
  save(others);
}

function save(jobs: Watched): void {
  store(STORAGE_KEY, Object.keys(jobs).length > 0 ? JSON.stringify(jobs) : null);
}

export function startWatching(): void {
  if (!canNotify()) return;
  setInterval(() => {
    if (live.get().mode === "offline" || Object.keys(watchedJobs()).length === 0) return;
    navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => lock && checkAll());
  }, POLL_MS);
}

/** Return a job; null if it could not be read. It is read again at the next poll, unless deleted. */
async function fetchWatched(id: string): Promise<Job | null> {
  try {
    return await fetchJob(id);
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) unwatch(id);
    return null;
  }
}

async function checkAll(): Promise<void> {
  for (const [id, name] of Object.entries(watchedJobs())) {
    const job = await fetchWatched(id);
    if (job === null || !isFinal(job.status)) continue;
    unwatch(id);
    const gate =
      job.verdict === "none" ? "" : `, gate ${job.verdict === "pass" ? "passed" : "failed"}`;
    const shown = new Notification(`${name}: ${job.status}${gate}`, {
      body: job.error?.title ?? "",
      icon: "/icon.svg",
      tag: id,
    });
    shown.onclick = () => {
      window.focus();
      location.assign(`/jobs/${id}`);
    };
  }
}
