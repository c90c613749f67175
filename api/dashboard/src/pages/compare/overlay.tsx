import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Block, jobBlocks } from "../../api/jobs.ts";
import {
  BLOCK,
  BLOCK_METRICS,
  type BlockMetric,
  dotsOf,
  measured,
} from "../../charts/block-metrics.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Series } from "../../charts/series.ts";
import { Section } from "../../ui/section.tsx";
import { Segmented } from "../../ui/segmented.tsx";
import type { Entry } from "./entries.ts";

interface Props {
  entries: Entry[];
  metric: string | null;
  choose: (metric: BlockMetric) => void;
  logOf: (chart: string) => [boolean | null, (isLog: boolean) => void];
}

/** One metric of the blocks, with a line for each job. */
export function Overlay({ entries, metric: wanted, choose, logOf }: Props) {
  const found = useQueries({
    queries: entries.map(({ job }) => jobBlocks(job.id, false)),
    combine: (results) => results.map(({ data }) => data ?? NO_BLOCKS),
  });
  const offered = measured(found.flat());
  const metric = offered.find((one) => one === wanted) ?? offered[0] ?? "error";
  const { title } = BLOCK_METRICS[metric];
  const series = useMemo(
    () =>
      entries.map(({ name, style }, at): Series => {
        return { name, style, kind: "line", dots: dotsOf(found[at] ?? [], metric) };
      }),
    [entries, found, metric],
  );
  if (!series.some(({ dots }) => dots.length > 1)) return null;
  const names = Object.fromEntries(offered.map((one) => [one, BLOCK_METRICS[one].title]));
  return (
    <Section title={`${title} by block`}>
      <Segmented label="Metric of the blocks" names={names} chosen={metric} choose={choose} />
      <Chart
        label={`${title} by block, with a line for each job`}
        series={series}
        x={BLOCK}
        y={BLOCK_METRICS[metric]}
        log={logOf(metric)}
      >
        {metric === "error" &&
          "The relative error of each block's output, compared with the dense model's."}
      </Chart>
    </Section>
  );
}

const NO_BLOCKS: Block[] = [];
