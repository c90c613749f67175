/** How much of what is allowed is used, in words. */

import { bytes, figure } from "../../format.ts";

interface Share {
  used: number;
  allowed: number | null;
}

export function share({ used, allowed }: Share, unit: "count" | "bytes" = "count"): string {
  const say = unit === "bytes" ? bytes : (value: number) => trimmed(value);
  return allowed === null ? `${say(used)}, no limit` : `${say(used)} of ${say(allowed)}`;
}

function trimmed(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString("en") : figure(value);
}
