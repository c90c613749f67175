/** Which N:M patterns the pruned matrices of a job hold. */

import { count } from "../format.ts";
import type { Job } from "./client.ts";
import { number } from "./jobs.ts";
import { members } from "./tasks.ts";

/** Say which patterns hold; `null` if none was requested and none holds. */
export function patternsInWords(result: Job["result"]): string | null {
  const { requested, held, matrices, broken } = members(result, "patterns");
  const holding = Array.isArray(held) ? held.map(String) : [];
  const all = matrices === 1 ? "the one matrix" : `all ${count(number(matrices))} matrices`;
  if (typeof requested === "string" && broken === 0) return `${requested} holds in ${all}`;
  if (typeof requested === "string")
    return `${requested} does not hold in ${count(number(broken))} of ${count(number(matrices))} matrices`;
  if (holding.length === 0) return null;
  return `${holding.join(", ")} ${holding.length === 1 ? "holds" : "hold"} in ${all}`;
}
