/** What the page compares and how it shows it; all of it is in the address. */

import { useLocation, useSearch } from "wouter";

export const MAX_JOBS = 20;

export interface View {
  ids: string[];
  /** The job that the others are compared with; by default, the first with figures. */
  baseline: string | null;
  /** Whether fields that do not differ are shown. */
  showsAll: boolean;
  /** The block metric of the overlay. */
  metric: string | null;
  /** The charts whose upward axis was chosen: by name if logarithmic, or `-name` if linear. */
  log: string[];
}

export function viewOf(search: string): View {
  const params = new URLSearchParams(search);
  const list = (name: string) => (params.get(name) ?? "").split(",").filter(Boolean);
  return {
    ids: [...new Set(list("ids"))].slice(0, MAX_JOBS),
    baseline: params.get("baseline"),
    showsAll: params.has("all"),
    metric: params.get("metric"),
    log: list("log"),
  };
}

export function addressOf({ ids, baseline, showsAll, metric, log }: View): string {
  const parts = [
    ids.length > 0 && `ids=${ids.join(",")}`,
    baseline !== null && ids.includes(baseline) && `baseline=${baseline}`,
    showsAll && "all",
    metric !== null && `metric=${encodeURIComponent(metric)}`,
    log.length > 0 && `log=${log.map(encodeURIComponent).join(",")}`,
  ].filter(Boolean);
  return parts.length > 0 ? `/compare?${parts.join("&")}` : "/compare";
}

/** Return the view, and a function that changes it; the browser's Back undoes a change. */
export function useView(): [View, (changes: Partial<View>) => void] {
  const view = viewOf(useSearch());
  const [, go] = useLocation();
  return [view, (changes) => go(addressOf({ ...view, ...changes }))];
}

/** Return whether a chart's axis is logarithmic, null if not chosen, and a function that changes it. */
export function logOf(
  chart: string,
  [view, change]: ReturnType<typeof useView>,
): [boolean | null, (isLog: boolean) => void] {
  const linear = `-${chart}`;
  const others = view.log.filter((one) => one !== chart && one !== linear);
  const isLog = view.log.includes(chart) || (view.log.includes(linear) ? false : null);
  return [isLog, (next) => change({ log: [...others, next ? chart : linear] })];
}
