/** Shares, such as sparsities: `0.5`, `50` and `50 %` are the same. */

import { rounded } from "../format.ts";

/** Parse a share; a number from 2 to 100 can only be a percentage. Other text stays text. */
export function shareOf(text: string): unknown {
  const hasSign = text.endsWith("%");
  const written = hasSign ? text.slice(0, -1).trim() : text;
  const value = Number(written);
  if (written === "" || !Number.isFinite(value)) return text;
  const isPercentage = hasSign || (value >= 2 && value <= 100);
  return isPercentage ? rounded(value / 100, 8) : value;
}
