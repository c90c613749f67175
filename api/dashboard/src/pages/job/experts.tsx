import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { Job } from "../../api/client.ts";
import { jobBlocks } from "../../api/jobs.ts";
import {
  EXPERT_METRICS,
  type ExpertMetric,
  type ExpertRow,
  expertRows,
} from "../../charts/expert-cells.ts";
import { ExpertStrip } from "../../charts/expert-strip.tsx";
import { blockNumber, count, figure, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { Segmented } from "../../ui/segmented.tsx";

/** The experts of a mixture by layer: their scores, and which stay. */
export function Experts({ job }: { job: Job }) {
  return job.spec.method === "experts" ? <ExpertSection id={job.id} /> : null;
}

function ExpertSection({ id }: { id: string }) {
  const { data } = useQuery(jobBlocks(id, true));
  const rows = useMemo(() => expertRows(data ?? []), [data]);
  const [metric, choose] = useState<ExpertMetric>("score");
  const [first] = rows;
  if (first === undefined) return null;
  return (
    <Section
      title="Experts by layer"
      aside={
        <span className="faint figure">
          {first.kept} of {first.experts.length} kept in {count(rows.length)}{" "}
          {rows.length === 1 ? "layer" : "layers"}
        </span>
      }
    >
      <Segmented
        label="Figure of the experts"
        names={EXPERT_METRICS}
        chosen={metric}
        choose={choose}
      />
      <ExpertStrip rows={rows} metric={metric} />
      <p className="faint expert-legend">
        <Sample isKept /> stays <Sample /> removed. A stronger colour is a higher figure, by ratio
        within its layer. The share on the right is that of the gates’ weight which the removed
        experts had.
      </p>
      <ExpertFigures rows={rows} />
    </Section>
  );
}

function Sample({ isKept = false }: { isKept?: boolean }) {
  return (
    <svg className="experts" viewBox="0 0 1 1" aria-hidden="true">
      {isKept ? (
        <path className="is-kept" d="M0,0h1v1h-1z" />
      ) : (
        <path className="is-removed" d="M0,.65h1v.35h-1z" />
      )}
    </svg>
  );
}

/** The figures of the strip: of each layer, and of the experts of a chosen one. */
function ExpertFigures({ rows }: { rows: ExpertRow[] }) {
  const [isOpen, setOpen] = useState(false);
  const [at, choose] = useState(0);
  const chosen = rows[at];
  return (
    <details className="figures" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Figures</summary>
      {isOpen && (
        <>
          <LayerTable rows={rows} />
          <label className="row">
            Experts of block
            <select value={at} onChange={(event) => choose(Number(event.currentTarget.value))}>
              {rows.map(({ index }, row) => (
                <option key={index} value={row}>
                  {blockNumber(index)}
                </option>
              ))}
            </select>
          </label>
          {chosen && <ExpertTable row={chosen} />}
        </>
      )}
    </details>
  );
}

function LayerTable({ rows }: { rows: ExpertRow[] }) {
  return (
    <Scroll label="Experts by layer" className="tall">
      <table>
        <thead>
          <tr>
            <th scope="col">Block</th>
            <th scope="col" className="end">
              Kept
            </th>
            <th scope="col" className="end">
              Gate weight removed
            </th>
            <th scope="col" className="end">
              Tokens without any expert
            </th>
            <th scope="col" className="end">
              Experts without tokens
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ index, kept, experts, gateRemoved, unrouted }) => (
            <tr key={index}>
              <th scope="row">{blockNumber(index)}</th>
              <td className="end figure">
                {kept} of {experts.length}
              </td>
              <td className="end figure">{percent(gateRemoved)}</td>
              <td className="end figure">{percent(unrouted)}</td>
              <td className="end figure">{experts.filter(({ tokens }) => tokens === 0).length}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function ExpertTable({ row: { index, experts } }: { row: ExpertRow }) {
  return (
    <Scroll label={`Experts of block ${blockNumber(index)}`} className="tall">
      <table>
        <thead>
          <tr>
            <th scope="col">Expert</th>
            <th scope="col" className="end">
              Score
            </th>
            <th scope="col" className="end">
              Tokens
            </th>
            <th scope="col">Result</th>
          </tr>
        </thead>
        <tbody>
          {experts.map(({ score, tokens, isKept }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: an expert is its index
            <tr key={at}>
              <th scope="row">{at}</th>
              <td className="end figure">{figure(score)}</td>
              <td className="end figure">{count(tokens)}</td>
              <td>{isKept ? "kept" : "removed"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
