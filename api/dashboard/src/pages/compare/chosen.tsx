import { Link } from "wouter";
import { Swatch } from "../../charts/legend.tsx";
import { percent } from "../../format.ts";
import { Icon } from "../../ui/icon.tsx";
import { Section } from "../../ui/section.tsx";
import { Verdict } from "../../ui/verdict.tsx";
import { AddJob } from "./add-job.tsx";
import { MAX_JOBS, type useView } from "./address.ts";
import { sparsestOf } from "./compare.ts";
import type { Entry, LeftOut } from "./entries.ts";

interface Props {
  entries: Entry[];
  leftOut: LeftOut[];
  view: ReturnType<typeof useView>;
}

/** The compared jobs: which one is the baseline, which are left out and why; more can be added. */
export function ChosenJobs({ entries, leftOut, view: [view, change] }: Props) {
  const remove = (id: string) => change({ ids: view.ids.filter((one) => one !== id) });
  return (
    <Section title="Jobs" aside={<span className="faint">{entries.length} compared</span>}>
      <ul className="chosen">
        {entries.map(({ job, name, style, isBaseline }) => (
          <li key={job.id}>
            <Swatch kind="dots" style={style} />
            <Link href={`/jobs/${job.id}`}>{name}</Link>
            {job.verdict !== "none" && <Verdict verdict={job.verdict} />}
            <label className="row tight">
              <input
                type="radio"
                name="baseline"
                checked={isBaseline}
                onChange={() => change({ baseline: job.id })}
                aria-label={`Baseline: ${name}`}
              />
              Baseline
            </label>
            <Remove name={name} remove={() => remove(job.id)} />
          </li>
        ))}
        {leftOut.map(({ id, name, reason }) => (
          <li key={id} className="is-left-out">
            <Icon name="warning" />
            <Link href={`/jobs/${id}`}>{name}</Link>
            <span>left out: {reason}</span>
            <Remove name={name} remove={() => remove(id)} />
          </li>
        ))}
      </ul>
      <Sparsest entries={entries} />
      {view.ids.length < MAX_JOBS && (
        <AddJob known={view.ids} add={(id) => change({ ids: [...view.ids, id] })} />
      )}
    </Section>
  );
}

/** Which job to take: the sparsest that passes its gate. */
function Sparsest({ entries }: { entries: Entry[] }) {
  if (entries.every(({ job }) => job.verdict === "none")) return null;
  const best = sparsestOf(entries.map(({ job }) => job));
  if (!best) return <p>No job passes its gate.</p>;
  return (
    <p>
      Sparsest that passes:{" "}
      <Link href={`/jobs/${best.id}`}>{entries.find(({ job }) => job === best)?.name}</Link>,
      reduction {percent(best.reduction)}
    </p>
  );
}

function Remove({ name, remove }: { name: string; remove: () => void }) {
  return (
    <button type="button" className="quiet small" aria-label={`Remove ${name}`} onClick={remove}>
      <Icon name="cancel" />
    </button>
  );
}
