/** Formats all numbers and times of the page; "–" if there is none. */

export const NONE = "–";

/** How many digits a number has where nothing else is said. */
const SIGNIFICANT = 3;

/** Format a share, with three significant digits or, of what was set, exactly up to some digits. */
export function percent(share: number | null | undefined, digits?: number): string {
  if (share == null || !Number.isFinite(share)) return NONE;
  const size = share * 100;
  const isExact = digits !== undefined || Math.abs(size) < 1;
  return `${isExact ? rounded(size, digits ?? SIGNIFICANT) : figure(size)} %`;
}

/** Format a number with three significant digits, and all of those before the point. */
export function figure(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 999.5) return count(Math.round(value));
  if (size !== 0 && size < 0.001) return value.toExponential(SIGNIFICANT - 1);
  const text = value.toPrecision(SIGNIFICANT);
  return size < 0.9995 ? String(Number(text)) : text;
}

export function count(value: number | null): string {
  return value === null ? NONE : decimal(value, 0);
}

/** Format a number with at most so many digits after the point. */
export function decimal(value: number, digits: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

const MOST_DIGITS = 8;

/** Format two numbers with as many digits as tell them apart. */
export function figures(one: number, other: number): [string, string] {
  const texts: [string, string] = [figure(one), figure(other)];
  for (let digits = SIGNIFICANT; texts[0] === texts[1] && digits <= MOST_DIGITS; digits += 1) {
    texts[0] = decimal(one, digits);
    texts[1] = decimal(other, digits);
  }
  return texts;
}

/** Format how likely a difference is by chance. */
export function pValue(value: number | null): string {
  return value !== null && value < 0.001 ? "< 0.001" : figure(value);
}

/** Format half an interval of shares in points, "± 1.9"; empty if there is none. */
export function margin(half: number | null): string {
  return half === null ? "" : `± ${(100 * half).toFixed(1)}`;
}

/** Format a relative change: "+12.3 %". */
export function change(from: number | null | undefined, to: number | null | undefined): string {
  if (from == null || to == null || from === 0) return NONE;
  const share = (to / from - 1) * 100;
  if (Math.abs(share) >= 1000) return `× ${figure(to / from)}`;
  const size = Math.abs(share).toFixed(1);
  const sign = size === "0.0" ? "±" : share > 0 ? "+" : "−";
  return `${sign}${size} %`;
}

/** Format the difference of two shares in percentage points: "−2.5 points". */
export function points(from: number | null, to: number | null): string {
  if (from === null || to === null) return NONE;
  const size = Math.abs((to - from) * 100).toFixed(1);
  const sign = size === "0.0" ? "±" : to > from ? "+" : "−";
  return `${sign}${size} points`;
}

/** Format an interval of shares: "72.2 to 100 %". */
export function range([low, high]: [number, number]): string {
  return `${figure(100 * low)} to ${figure(100 * high)} %`;
}

export function bytes(count: number | null | undefined): string {
  return count == null ? NONE : inUnits(count, figure);
}

/** Format a number of bytes that was set. */
export function bytesAsSet(count: number): string {
  return inUnits(count, (size) => decimal(size, SIGNIFICANT));
}

function inUnits(count: number, format: (size: number) => string): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = count;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : format(size)} ${units[unit]}`;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NONE;
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.round(minutes / 1440)} days`;
}

/** Format seconds that change while they are read. */
export function wholeSeconds(seconds: number): string {
  return seconds < 60 ? `${Math.floor(seconds)} s` : duration(seconds);
}

/** A block's number: the first is 1, as in "1 of 16 blocks". Its index is in its name. */
export function blockNumber(index: number): number {
  return index + 1;
}

/** Format the number of finished blocks; a waiting job keeps them. */
export function blocksInWords(status: string, block: { index: number; total: number }): string {
  const done = `${blockNumber(block.index)} of ${block.total} blocks`;
  return status === "paused" || status === "queued" ? `${done} kept` : done;
}

export function ago(then: string | number, now: number): string {
  const seconds = (now - new Date(then).getTime()) / 1000;
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

export function moment(then: string): string {
  return new Date(then).toLocaleString(undefined, {
    ...{ dateStyle: "medium", timeStyle: "long" },
    hourCycle: "h23",
  });
}

/** Format a date and a time for a column; the zone is that of `zone`. */
export function stamp(then: string): string {
  return new Date(then).toLocaleString(undefined, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
}

/** Format a date in UTC: "Mon, Dec 1". */
export function day(at: Date): string {
  return at.toLocaleDateString(undefined, {
    timeZone: "UTC",
    weekday: "short",
    month: "short",
    day: "numeric",
  });
}

/** Return the name of this computer's time zone. */
export function zone(): string {
  const parts = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" }).formatToParts();
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "local time";
}

export function clock(then: string | number): string {
  return new Date(then).toLocaleTimeString(undefined, { timeStyle: "medium", hourCycle: "h23" });
}

/** Write a title inside a sentence: "the hub cannot be reached". */
export function asClause(title: string): string {
  const startsWithName = /^[A-Z][^a-z ]/.test(title);
  return startsWithName ? title : title.charAt(0).toLowerCase() + title.slice(1);
}

/** Format a time of the day to come: "08:20", with the date if it is not within a day. */
export function timeAhead(then: string, now: number): string {
  if (new Date(then).getTime() - now > 86_400_000) return stamp(then);
  return new Date(then).toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
}

export function secondsBetween(from: string | null, to: string | number | null): number | null {
  if (from == null || to == null) return null;
  return (new Date(to).getTime() - new Date(from).getTime()) / 1000;
}

/** Shorten an id to its end, as ids begin with the time. */
export function shortId(id: string): string {
  return id.slice(-8);
}

/** Names of folders that say nothing of the model in them. */
const PLAIN = /^(hf|huggingface|models?|checkpoint(-\d+)?|main|latest|final|pruned|out(put)?)$/i;

/** Return a model's name without its owner or root; the result of a job is named as such. */
export function modelName(model: string): string {
  if (model.startsWith("job:")) return `result of ${shortId(model)}`;
  const parts = model
    .replace(/^local:/, "")
    .split("/")
    .filter(Boolean);
  return parts.slice(PLAIN.test(parts.at(-1) ?? "") ? -2 : -1).join("/") || model;
}

/** Round a number to so many digits after the point. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
