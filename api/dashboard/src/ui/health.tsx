/** Whether jobs get on: workers, waits, failures and webhooks, each with a link. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type JobFilter, jobFacets } from "../api/jobs.ts";
import { useMay } from "../api/keys.ts";
import { type Webhook, webhooks } from "../api/webhooks.ts";
import { type Queue, queues, type Worker, workers } from "../api/workers.ts";
import { count, duration } from "../format.ts";

const POLL_MS = 15_000;
const LAST_DAY: JobFilter = { status: [], label: [], time: "day", sort: "-created" };
const FAILED_OUTPUTS: JobFilter = { ...LAST_DAY, time: "week", output: "failed" };

interface Sign {
  text: string;
  href: string;
  isBad: boolean;
}

function useWorkerSigns(): Sign[] {
  const enabled = useMay("jobs:read") === true;
  const found = useQuery({ ...workers, enabled, refetchInterval: POLL_MS });
  const served = useQuery({ ...queues, enabled, refetchInterval: POLL_MS });
  return [...(found.data ? workerSigns(found.data) : []), ...queueSigns(served.data)];
}

function useWebhookSigns(): Sign[] {
  const enabled = useMay("admin") === true;
  return webhookSigns(useQuery({ ...webhooks, enabled, refetchInterval: POLL_MS }).data);
}

export function workerSigns(found: Worker[]): Sign[] {
  const silent = found.filter(({ state }) => state === "silent" || state === "lost").length;
  const live = found.length - silent;
  const text = `${live === 1 ? "1 worker" : `${live} workers`}${silent > 0 ? `, ${silent} silent` : ""}`;
  return [{ text, href: "/workers", isBad: live === 0 || silent > 0 }];
}

export function queueSigns(found: Queue[] = []): Sign[] {
  if (found.length === 0) return [];
  const unserved = found.filter(
    ({ depth, postponed, workers: served }) => depth + postponed > 0 && served === 0,
  );
  const longest = Math.max(0, ...found.map((one) => one.oldest_age_seconds ?? 0));
  return [
    ...unserved.map(({ name }) => {
      return { text: `no worker serves the queue ${name}`, href: "/workers", isBad: true };
    }),
    {
      text: longest > 0 ? `longest wait ${duration(longest)}` : "no job waits",
      href: longest > 0 ? "/?status=queued&sort=created" : "/workers",
      isBad: false,
    },
  ];
}

export function webhookSigns(found: Webhook[] = []): Sign[] {
  const messages = found
    .filter(({ enabled }) => enabled)
    .reduce((sum, { undelivered }) => sum + undelivered, 0);
  if (messages === 0) return [];
  const text = `${count(messages)} undelivered webhook ${messages === 1 ? "message" : "messages"}`;
  return [{ text, href: "/webhooks", isBad: true }];
}

/** Jobs submitted in a week of which an output has failed, by status. */
export function outputSigns(jobs: Record<string, number> = {}): Sign[] {
  const failed = Object.values(jobs).reduce((sum, one) => sum + one, 0);
  if (failed === 0) return [];
  const text = `failed outputs of ${failed === 1 ? "1 job" : `${count(failed)} jobs`}`;
  return [{ text, href: "/?output=failed&time=week", isBad: true }];
}

/** The signs above the list of jobs. */
export function HealthStrip() {
  const { data } = useQuery(jobFacets(LAST_DAY));
  const failed = data?.status.failed ?? 0;
  const text = `${failed === 0 ? "none" : count(failed)} of the jobs submitted in 24 hours failed`;
  const failures = data ? [{ text, href: "/?status=failed&time=day", isBad: failed > 0 }] : [];
  const outputs = outputSigns(useQuery(jobFacets(FAILED_OUTPUTS)).data?.status);
  const signs = [...useWorkerSigns(), ...failures, ...outputs, ...useWebhookSigns()];
  return (
    <ul className="row health" aria-label="Health">
      {signs.map(({ text, href, isBad }) => (
        <li key={text}>
          <Link href={href} className={isBad ? "problem-word" : "faint"}>
            {text}
          </Link>
        </li>
      ))}
    </ul>
  );
}

/** A mark beside a page's name in the navigation, if something on it is wrong. */
export function HealthMark({ page }: { page: string }) {
  const signs = [...useWorkerSigns(), ...useWebhookSigns()];
  const bad = signs.filter(({ href, isBad }) => isBad && href === page);
  if (bad.length === 0) return null;
  const text = bad.map((one) => one.text).join(", ");
  return (
    <span className="problem-word" title={text}>
      {" "}
      ●<span className="unseen"> {text}</span>
    </span>
  );
}
