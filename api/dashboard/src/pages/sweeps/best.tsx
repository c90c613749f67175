import { Link } from "wouter";
import type { Point, Sweep } from "../../api/sweeps.ts";
import { figure, percent } from "../../format.ts";
import { gateInWords } from "../../spec/gate.ts";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { useDownload } from "../job/use-file.ts";
import { intervalOf, nameOf } from "./points.ts";

const MOST_COMPARED = 20;

/** The point with the highest reduction that passes the gate, and what is done with it. */
export function Best({ sweep }: { sweep: Sweep }) {
  const best = sweep.points.find(({ job_id }) => job_id === sweep.best);
  if (sweep.gate === null) return null;
  const gate = gateInWords(sweep.gate);
  return (
    <Section
      title={sweep.is_final ? "Best that passes" : "Best that passes so far"}
      aside={<span className="faint">gate: {gate}</span>}
    >
      {best ? <BestPoint best={best} sweep={sweep} /> : <p>{noneInWords(sweep)}</p>}
    </Section>
  );
}

function noneInWords({ is_final, points }: Sweep): string {
  if (!is_final) return "No point has passed the gate yet.";
  const ratios = points.flatMap(({ perplexity_ratio }) => perplexity_ratio ?? []);
  const closest =
    ratios.length > 0 ? ` The lowest perplexity ratio is ${figure(Math.min(...ratios))}.` : "";
  return `No point passes the gate.${closest} Try lower sparsities or another method.`;
}

function BestPoint({ best, sweep }: { best: Point; sweep: Sweep }) {
  const { job_id: id, perplexity, perplexity_ratio: ratio } = best;
  const download = useDownload({ job: id, url: `/v1/jobs/${id}/archive` }, `${id}.tar`);
  const others = sweep.points.filter((one) => one.verdict === "pass" || one.on_front);
  const ids = [id, ...others.map(({ job_id }) => job_id).filter((one) => one !== id)];
  return (
    <>
      <p className="best-name">
        <Link href={`/jobs/${id}`}>{nameOf(best)}</Link>
      </p>
      <Facts>
        <Fact name="Reduction">{percent(best.reduction)}</Fact>
        <Fact name="Perplexity">
          {figure(perplexity)}
          {intervalOf(best, "pruned_perplexity")}
        </Fact>
        <Fact name="Ratio to dense">
          {figure(ratio)}
          {intervalOf(best, "perplexity_ratio")}
        </Fact>
      </Facts>
      <div className="actions">
        <Scoped scope="artifacts:read" to="download the model">
          <button
            type="button"
            className="primary"
            onClick={download.start}
            disabled={download.isBusy}
          >
            <Icon name="download" />
            Download
          </button>
        </Scoped>
        <Link className="button" href={`/jobs/${id}/rerun`}>
          <Icon name="rerun" />
          Rerun with changes
        </Link>
        {ids.length > 1 && (
          <Link
            className="button"
            href={`/compare?ids=${ids.slice(0, MOST_COMPARED).join(",")}&baseline=${id}`}
          >
            <Icon name="compare" />
            Compare
          </Link>
        )}
      </div>
      {download.error !== null && <ErrorNote error={download.error} />}
    </>
  );
}
