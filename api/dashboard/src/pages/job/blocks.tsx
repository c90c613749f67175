import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Job } from "../../api/client.ts";
import { type Block, isFinal, jobBlocks, type Layer } from "../../api/jobs.ts";
import { HeatStrip } from "../../charts/heat-strip.tsx";
import { blockNumber, duration, figure, NONE, percent } from "../../format.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { BlockChart } from "./block-chart.tsx";
import type { Kept } from "./kept.ts";

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
        <span>{percent(block.sparsity)} sparse</span>
        <span>error {figure(block.error)}</span>
        <span>{duration(block.seconds)}</span>
        <span>{percent(block.coverage)} of its parameters covered</span>
        {block.refinement && (
          <span>
            held-out loss {figure(block.refinement.before)} → {figure(block.refinement.after)}
          </span>
        )}
      </p>
      <details>
        <summary>{block.layers.length} matrices</summary>
        <LayerTable layers={block.layers} />
      </details>
    </>
  );
}

function LayerTable({ layers }: { layers: Layer[] }) {
  return (
    <Scroll label="Matrices of the block">
      <table>
        <thead>
          <tr>
            <th scope="col">Matrix</th>
            <th scope="col" className="end">
              Weights
            </th>
            <th scope="col" className="end">
              Zeros
            </th>
            <th scope="col" className="end">
              Sparsity
            </th>
            <th scope="col">Fallback</th>
          </tr>
        </thead>
        <tbody>
          {layers.map((layer) => (
            <tr key={nameOf(layer)}>
              <th scope="row" className="mono">
                {nameOf(layer)}
              </th>
              <td className="end figure">{layer.weights.toLocaleString("en")}</td>
              <td className="end figure">{layer.zeros.toLocaleString("en")}</td>
              <td className="end figure">{percent(layer.zeros / layer.weights, 2)}</td>
              <td>{layer.fallback ?? NONE}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function nameOf({ name, expert, part }: Layer): string {
  return [name, part, expert === null ? null : `expert ${expert}`].filter(Boolean).join(" · ");
}
