import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "wouter";
import { ProblemError } from "../../api/problem.ts";
import { type Sweep, sweepById, useSweepCancel, useWithJobs } from "../../api/sweeps.ts";
import { TradeoffChart } from "../../charts/tradeoff.tsx";
import { shortId } from "../../format.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { Best } from "./best.tsx";
import { Counts } from "./counts.tsx";
import { HeatTable } from "./heat-table.tsx";
import { Inputs } from "./inputs.tsx";
import { ParallelCoordinates } from "./parallel.tsx";
import { PointTable } from "./point-table.tsx";
import { countsOf, rulesOf, tradeoffsOf } from "./points.ts";
import { TriedGate, useTriedRatio, withGate } from "./tried-gate.tsx";

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

function SweepView({ sweep: given }: { sweep: Sweep }) {
  const cancel = useSweepCancel();
  const ratio = useTriedRatio();
  const known = useWithJobs(given);
  const sweep = useMemo(() => withGate(known, ratio), [known, ratio]);
  const jobs = useMemo(() => tradeoffsOf(sweep.points), [sweep.points]);
  const rules = useMemo(() => rulesOf(sweep), [sweep]);
  const { measured, shared } = sweep.dense;
  return (
    <>
      <header className="job-header">
        <Title text={sweep.name || `Sweep ${shortId(sweep.id)}`} />
        <p className="faint">
          <span className="mono">{sweep.id}</span> · created <Ago at={sweep.created_at} />
          {sweep.max_parallel !== null && <> · {sweep.max_parallel} in parallel</>}
        </p>
        <Counts counts={countsOf(sweep.points)} />
        <Inputs points={sweep.points} />
        <div className="actions">
          {!sweep.is_final && (
            <Scoped scope="jobs:write" to="cancel this sweep">
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
            </Scoped>
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
      {given.gate === null && <TriedGate />}
      <Best sweep={sweep} />
      <Section title="Reduction against perplexity">
        {jobs.length > 0 ? (
          <TradeoffChart jobs={jobs} rules={rules} />
        ) : (
          <p className="faint">The chart appears when the first point has succeeded.</p>
        )}
        {measured + shared > 0 && (
          <p className="faint">
            {measured === 0
              ? "The dense model had been measured before this sweep."
              : `The dense model was measured ${measured === 1 ? "once" : `${measured} times`}`}
            {measured > 0 &&
              `; the result was reused by ${shared === 1 ? "1 point" : `${shared} points`}.`}
          </p>
        )}
      </Section>
      <HeatTable points={sweep.points} best={sweep.best} />
      <ParallelCoordinates points={sweep.points} best={sweep.best} />
      <Section title="Points" aside={<span className="faint figure">{sweep.total}</span>}>
        <PointTable points={sweep.points} best={sweep.best} />
      </Section>
    </>
  );
}
