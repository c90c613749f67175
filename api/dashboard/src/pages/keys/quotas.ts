/** Formats and parses quotas of keys. */

import type { Key, KeyRequest, KeyScope } from "../../api/keys.ts";
import { bytes, count, figure } from "../../format.ts";

interface Share {
  used: number;
  allowed: number | null;
}

export function share({ used, allowed }: Share, unit: "count" | "bytes" = "count"): string {
  const format = unit === "bytes" ? bytes : (value: number) => trimmed(value);
  return allowed === null ? `${format(used)}, no limit` : `${format(used)} of ${format(allowed)}`;
}

function trimmed(value: number): string {
  return Number.isInteger(value) ? count(value) : figure(value);
}

type Quotas = KeyRequest["quotas"];

/** Format a key's quotas; empty if it has none. */
export function bounds({ jobs_in_flight, gpu_hours, artifact_bytes }: Quotas): string[] {
  const parts: string[] = [];
  if (jobs_in_flight != null) {
    parts.push(
      jobs_in_flight === 1 ? "1 job in flight" : `${trimmed(jobs_in_flight)} jobs in flight`,
    );
  }
  if (gpu_hours != null) parts.push(`${trimmed(gpu_hours)} GPU hours in 30 days`);
  if (artifact_bytes != null) parts.push(`${bytes(artifact_bytes)} of files`);
  return parts;
}

/** Return why a key is no longer valid; `null` if it is valid. */
export function endOf(
  { revoked_at, expires_at }: Pick<Key, "revoked_at" | "expires_at">,
  now: number,
): "revoked" | "expired" | null {
  if (revoked_at !== null) return "revoked";
  return expires_at !== null && new Date(expires_at).getTime() <= now ? "expired" : null;
}

/** The draft of quotas and expiry. */
export interface Limits {
  jobs: string;
  hours: string;
  files: string;
  /** The last day, in the format of a date input. */
  until: string;
}

export const NO_LIMITS: Limits = { jobs: "", hours: "", files: "", until: "" };

/** Build the request; invalid text stays text, so that the service refuses it by field. */
export function requestOf({ jobs, hours, files, until }: Limits) {
  const quotas: Record<string, unknown> = {};
  if (jobs.trim()) quotas.jobs_in_flight = numeric(jobs);
  if (hours.trim()) quotas.gpu_hours = numeric(hours);
  if (files.trim()) quotas.artifact_bytes = size(files);
  return {
    quotas: quotas as Quotas,
    // The end of that day in the local time zone.
    expires_at: until ? endOfDay(until) : null,
  };
}

/** Keep an invalid date, such as one with a year of five digits. */
function endOfDay(day: string): string {
  const end = new Date(`${day}T23:59:59`);
  return Number.isNaN(end.getTime()) ? day : end.toISOString();
}

function numeric(text: string): unknown {
  return Number.isFinite(Number(text)) ? Number(text) : text.trim();
}

const UNITS: Record<string, number> = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12 };

/** Parse "50 GB" or a plain number of bytes. */
function size(text: string): unknown {
  const [, amount, unit = "b"] = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?b)?\s*$/i.exec(text) ?? [];
  if (amount === undefined) return text.trim();
  return Math.round(Number(amount) * (UNITS[unit.toLowerCase()] ?? 1));
}

/** The scopes of a key in words. */
export const SCOPES: Record<KeyScope, string> = {
  "jobs:read": "see jobs",
  "jobs:write": "submit and stop jobs",
  "artifacts:read": "download files",
  admin: "everything, including keys",
};

export function scopesInWords(scopes: readonly string[]): string {
  if (scopes.includes("admin")) return SCOPES.admin;
  return scopes.map((one) => SCOPES[one as KeyScope] ?? one).join(", ");
}
