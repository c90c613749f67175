import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "wouter";
import { ProblemError } from "../../api/problem.ts";
import { type Point, type Sweep, sweepById, useSweepCancel } from "../../api/sweeps.ts";
import { type Tradeoff, TradeoffChart } from "../../charts/tradeoff.tsx";
import { figure, NONE, percent, shortId } from "../../format.ts";
import { toText } from "../../spec/draft.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { StatusPill } from "../../ui/status.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { Verdict } from "../../ui/verdict.tsx";
import { Counts } from "./counts.tsx";

const MOST_COMPARED = 20;

export function SweepPage({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(sweepById(id));
  if (data) {
    return (
      <>
        {error !== null && <ErrorNote error={error} retry={refetch} />}
        <SweepView sweep={data} />
      </>
    );
  }
  const isUnknown = error instanceof ProblemError && error.status === 404;
  return (
    <>
      <Title text={isUnknown ? "No such sweep" : "Sweep"} />
      {isUnknown && (
        <Empty title="There is no sweep with this id">
          <Link className="button" href="/sweeps">
            All sweeps
          </Link>
        </Empty>
      )}
      {error === null && <Loading what="the sweep" />}
      {error !== null && !isUnknown && <ErrorNote error={error} retry={refetch} />}
    </>
  );
}

function SweepView({ sweep }: { sweep: Sweep }) {
  const cancel = useSweepCancel();
  const dots = useMemo(() => dotsOf(sweep.points), [sweep.points]);
  const { measured, shared } = sweep.dense;
  return (
    <>
      <header className="job-header">
        <Title text={sweep.name || `Sweep ${shortId(sweep.id)}`} />
        <p className="faint">
          <span className="mono">{sweep.id}</span> · created <Ago at={sweep.created_at} />
          {sweep.max_parallel !== null && <> · {sweep.max_parallel} in parallel</>}
        </p>
        <Counts counts={sweep.counts} />
        <div className="actions">
          {!sweep.is_final && (
            <Confirm
              label="Cancel"
              icon="cancel"
              title="Cancel this sweep?"
              message="All unfinished points are cancelled; finished ones stay."
              confirmLabel="Cancel the sweep"
              cancelLabel="Keep it running"
              isBusy={cancel.isPending}
              onConfirm={() => cancel.mutate(sweep.id)}
            />
          )}
          {sweep.total >= 2 && sweep.total <= MOST_COMPARED && (
            <Link
              className="button"
              href={`/compare?ids=${sweep.points.map((one) => one.job_id).join(",")}`}
            >
              <Icon name="compare" />
              Compare all
            </Link>
          )}
          {cancel.error !== null && <ErrorNote error={cancel.error} />}
        </div>
      </header>
      <div className="pair">
        <Section title="Sparsity against perplexity">
          {dots.length > 0 ? (
            <TradeoffChart jobs={dots} rules={[]} />
          ) : (
            <p className="faint">The chart appears when the first point has succeeded.</p>
          )}
          {measured + shared > 0 && (
            <p className="faint">
              The dense model was measured {measured === 1 ? "once" : `${measured} times`}; the
              result was reused by {shared} {shared === 1 ? "point" : "points"}.
            </p>
          )}
        </Section>
        <Section title="Points" aside={<span className="faint figure">{sweep.total}</span>}>
          <PointTable points={sweep.points} />
        </Section>
      </div>
    </>
  );
}

function dotsOf(points: Point[]): Tradeoff[] {
  const methods = [...new Set(points.map(({ varied }) => toText(varied.method)))];
  return points.flatMap((one) => {
    const { sparsity: x, perplexity: y, job_id } = one;
    if (x === null || y === null) return [];
    const method = toText(one.varied.method);
    const look = { series: method || "Points", style: methods.indexOf(method) };
    return [{ x, y, name: nameOf(one), href: `/jobs/${job_id}`, ...look }];
  });
}

function nameOf({ varied }: Point): string {
  return Object.values(varied).map(toText).join(" ") || NONE;
}

function PointTable({ points }: { points: Point[] }) {
  return (
    <Scroll label="Points of the sweep">
      <table>
        <thead>
          <tr>
            <th scope="col">Point</th>
            <th scope="col">Status</th>
            <th scope="col" className="end">
              Sparsity
            </th>
            <th scope="col" className="end">
              Perplexity
            </th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          {points.map((one) => (
            <tr key={one.job_id} className={one.on_front ? "is-front" : ""}>
              <th scope="row">
                <Link href={`/jobs/${one.job_id}`}>{nameOf(one)}</Link>{" "}
                {one.on_front && <span className="tag">Pareto front</span>}
              </th>
              <td>
                <StatusPill status={one.status} />
                {one.status === "running" && (
                  <span className="faint"> {percent(one.progress, 0)}</span>
                )}
              </td>
              <td className="end">{percent(one.sparsity)}</td>
              <td className="end">
                {figure(one.perplexity)}
                {one.perplexity_ratio !== null && (
                  <span className="faint delta"> × {one.perplexity_ratio.toFixed(2)}</span>
                )}
              </td>
              <td>
                <Verdict verdict={one.verdict} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
