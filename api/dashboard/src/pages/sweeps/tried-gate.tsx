import { useLocation, useSearch } from "wouter";
import type { Point, Sweep } from "../../api/sweeps.ts";
import { rounded } from "../../format.ts";
import { TextField } from "../../ui/field.tsx";

/** Shares are compared to as many digits as in the service. */
const DIGITS = 3;

/** Return the sweep as if its gate bounded the perplexity ratio; its points keep their verdicts. */
export function withGate(sweep: Sweep, ratio: number | null): Sweep {
  if (sweep.gate !== null || ratio === null) return sweep;
  const within = sweep.points.filter(
    ({ perplexity_ratio }) => perplexity_ratio !== null && perplexity_ratio <= ratio,
  );
  const [best] = within.sort((a, b) => share(b) - share(a) || perplexity(a) - perplexity(b));
  return {
    ...sweep,
    gate: { max: { perplexity_ratio: ratio }, min: {} },
    best: best?.job_id ?? null,
  };
}

function share(point: Point): number {
  return rounded(point.reduction ?? 0, DIGITS);
}

function perplexity(point: Point): number {
  return point.perplexity ?? Number.POSITIVE_INFINITY;
}

/** Return the ratio in the address. */
export function useTriedRatio(): number | null {
  const ratio = Number.parseFloat(new URLSearchParams(useSearch()).get("ratio") ?? "");
  return Number.isFinite(ratio) ? ratio : null;
}

/** A bound to try on a sweep without a gate; the address keeps it. */
export function TriedGate() {
  const text = new URLSearchParams(useSearch()).get("ratio") ?? "";
  const [path, go] = useLocation();
  const change = (next: string) =>
    go(next === "" ? path : `${path}?ratio=${encodeURIComponent(next)}`, { replace: true });
  return (
    <div className="narrow">
      <TextField
        label="Highest perplexity ratio"
        help="This sweep has no gate. Try one here: the sparsest point within it is named."
        inputMode="decimal"
        placeholder="1.1"
        value={text}
        change={change}
      />
    </div>
  );
}
