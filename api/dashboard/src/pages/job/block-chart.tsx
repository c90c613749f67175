import { useMemo, useState } from "react";
import type { Block } from "../../api/jobs.ts";
import {
  BLOCK,
  BLOCK_METRICS,
  type BlockMetric,
  dotsOf,
  matrixErrors,
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

type Choice = BlockMetric | "matrices";

/** One metric of all blocks, or the errors of their matrices; a click chooses a block. */
export function BlockChart({ blocks, choose }: Props) {
  const offered = measured(blocks);
  const lines = useMemo(() => matrixErrors(blocks), [blocks]);
  const [wanted, want] = useState<Choice>("error");
  const first = offered[0] ?? "seconds";
  const isOffered = wanted === "matrices" ? lines.length > 0 : offered.includes(wanted);
  const chosen = isOffered ? wanted : first;
  const metric = chosen === "matrices" ? "error" : chosen;
  const { title } = BLOCK_METRICS[metric];
  const bars = useMemo<Series[]>(
    () => [{ name: title, kind: "bars", style: 0, dots: dotsOf(blocks, metric) }],
    [blocks, metric, title],
  );
  const names = Object.fromEntries<string>([
    ...offered.map((one) => [one, BLOCK_METRICS[one].title] as const),
    ...(lines.length > 0 ? [["matrices", "Error by matrix"] as const] : []),
  ]);
  if (offered.length === 0) return null;
  return (
    <>
      <Segmented label="Metric of the chart" names={names} chosen={chosen} choose={want} />
      <Chart
        label={chosen === "matrices" ? "Error by block and matrix" : `${title} by block`}
        series={chosen === "matrices" ? lines : bars}
        x={BLOCK}
        y={BLOCK_METRICS[metric]}
        height={200}
        choose={({ x }) => choose(x - blockNumber(0))}
      />
    </>
  );
}
