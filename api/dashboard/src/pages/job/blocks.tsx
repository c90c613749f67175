import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Job } from "../../api/client.ts";
import { type Block, isFinal, jobBlocks } from "../../api/jobs.ts";
import { HeatStrip } from "../../charts/heat-strip.tsx";
import { blockNumber, duration, figure, percent } from "../../format.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { BlockChart } from "./block-chart.tsx";
import type { Kept } from "./kept.ts";
import { Matrices } from "./matrices.tsx";
import { QuantizedMatrices } from "./quantized.tsx";
import { Removed, removedText } from "./removed.tsx";

/** The reports of the blocks. */
export function Blocks({ job, kept }: { job: Job; kept: Kept | null }) {
  const { data, error, refetch } = useQuery(jobBlocks(job.id, true));
  const [picked, pick] = useState<number | null>(null);
  const total = Math.max(
    job.progress.block?.total ?? kept?.total ?? 0,
    ...(data ?? []).map((one) => one.index + 1),
  );
  const isOver = isFinal(job.status);
  const newest = data?.at(-1)?.index ?? 0;
  const chosen = Math.min(picked ?? newest, Math.max(0, total - 1));
  return (
    <Section
      title="Blocks"
      aside={
        data &&
        total > 0 && (
          <span className="faint figure">
            {data.length} of {total}
          </span>
        )
      }
    >
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="blocks" lines={2} />}
      {data && data.length === 0 && (
        <p className="faint">
          {isOver
            ? "The job ended before its first block was pruned."
            : "No block is finished yet."}
        </p>
      )}
      {data && data.length > 0 && (
        <>
          <HeatStrip
            blocks={data}
            total={total}
            current={isOver ? null : newest + 1}
            chosen={chosen}
            choose={pick}
          />
          <BlockDetail block={data.find((one) => one.index === chosen)} index={chosen} />
          <BlockChart blocks={data} choose={pick} />
        </>
      )}
    </Section>
  );
}

function BlockDetail({ block, index }: { block: Block | undefined; index: number }) {
  if (block === undefined)
    return <p className="faint block-line">Block {blockNumber(index)} is not finished yet.</p>;
  return (
    <>
      <p className="block-line">
        <strong className="mono">{block.name}</strong>
        {block.isDropped && <span>removed</span>}
        {block.removed.length > 0 && <span>{removedText(block.removed)}</span>}
        {block.distance !== null && <span>distance {figure(block.distance)}</span>}
        {block.experts && (
          <span>
            {block.experts.kept} of {block.experts.experts.length} experts kept
          </span>
        )}
        {block.sparsity !== null && <span>{percent(block.sparsity)} sparse</span>}
        <span>error {figure(block.error)}</span>
        <span>{duration(block.seconds)}</span>
        {!block.experts && <span>{percent(block.coverage)} of its parameters covered</span>}
        {block.refinement && (
          <span>
            held-out loss {figure(block.refinement.before)} → {figure(block.refinement.after)}
          </span>
        )}
      </p>
      {block.removed.length > 0 && <Removed modules={block.removed} />}
      {!block.experts && (
        <details>
          <summary>{block.layers.length} matrices</summary>
          <Matrices layers={block.layers} />
        </details>
      )}
      {block.quantized.length > 0 && (
        <details>
          <summary>{block.quantized.length} quantised matrices</summary>
          <QuantizedMatrices layers={block.quantized} />
        </details>
      )}
    </>
  );
}
