/** Ranges of creation times, by the clock and the time zone of the browser. */

export const RANGES = [
  { name: "hour", label: "Last hour" },
  { name: "day", label: "Last 24 hours" },
  { name: "today", label: "Today" },
  { name: "yesterday", label: "Yesterday" },
  { name: "week", label: "Last 7 days" },
  { name: "month", label: "Last 30 days" },
  { name: "custom", label: "From – to…" },
] as const;

interface Range {
  time?: string;
  /** Local times, as an input of the type `datetime-local` writes them. */
  from?: string;
  to?: string;
}

interface Bounds {
  created_after?: string;
  created_before?: string;
}

const HOUR_MS = 3_600_000;
const HOURS: Partial<Record<string, number>> = { hour: 1, day: 24 };
const DAYS: Partial<Record<string, number>> = { week: 7, month: 30 };

/** Return the bounds of a range, which are exclusive. */
export function createdWithin({ time, from, to }: Range, now: Date): Bounds {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const days = DAYS[time ?? ""];
  const hours = HOURS[time ?? ""];
  if (hours) return { created_after: new Date(now.getTime() - hours * HOUR_MS).toISOString() };
  if (time === "today") return { created_after: before(midnight) };
  if (time === "yesterday") {
    const start = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
    return { created_after: before(start), created_before: midnight.toISOString() };
  }
  if (days) {
    const start = new Date(now.getFullYear(), now.getMonth(), now.getDate() - days + 1);
    return { created_after: before(start) };
  }
  if (time !== "custom") return {};
  return { created_after: instant(from), created_before: instant(to) };
}

/** Return the moment before, as the lower bound is exclusive. */
function before(start: Date): string {
  return new Date(start.getTime() - 1).toISOString();
}

function instant(local: string | undefined): string | undefined {
  const time = local ? new Date(local) : null;
  return time && !Number.isNaN(time.getTime()) ? time.toISOString() : undefined;
}
