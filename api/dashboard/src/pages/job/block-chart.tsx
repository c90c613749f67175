import { useMemo, useState } from "react";
import type { Block } from "../../api/jobs.ts";
import {
  BLOCK,
  BLOCK_METRICS,
  type BlockMetric,
  dotsOf,
  measured,
} from "../../charts/block-metrics.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Series } from "../../charts/series.ts";
import { blockNumber } from "../../format.ts";
import { Segmented } from "../../ui/segmented.tsx";

interface Props {
  blocks: Block[];
  choose: (index: number) => void;
}

/** One metric of all blocks as bars; a click chooses a block. */
export function BlockChart({ blocks, choose }: Props) {
  const offered = measured(blocks);
  const [wanted, want] = useState<BlockMetric>("error");
  const metric = offered.includes(wanted) ? wanted : (offered[0] ?? "seconds");
  const { title } = BLOCK_METRICS[metric];
  const series = useMemo<Series[]>(
    () => [{ name: title, kind: "bars", style: 0, dots: dotsOf(blocks, metric) }],
    [blocks, metric, title],
  );
  const names = Object.fromEntries(offered.map((one) => [one, BLOCK_METRICS[one].title]));
  return (
    <>
      <Segmented label="Metric of the chart" names={names} chosen={metric} choose={want} />
      <Chart
        label={`${title} by block`}
        series={series}
        x={BLOCK}
        y={BLOCK_METRICS[metric]}
        height={200}
        choose={({ x }) => choose(x - blockNumber(0))}
      />
    </>
  );
}
