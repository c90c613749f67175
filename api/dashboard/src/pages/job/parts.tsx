import { useQuery } from "@tanstack/react-query";
import { Fragment, type ReactNode } from "react";
import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { type Part, parts } from "../../api/methods.ts";
import { halfWidth } from "../../api/tasks.ts";
import { bytes, count, duration, figure, margin, NONE, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

type Value = number | null;

const UNITS: Record<string, (value: Value, job: Job) => ReactNode> = {
  figure,
  count,
  bytes,
  seconds: duration,
  percent: (value) => percent(value),
  share: (value) => percent(value),
  yes: (value) => (value ? "yes" : "no"),
  size: (value, { spec }) => sizeInWords(value, spec.target),
  error: (value) =>
    // Without any deviation nothing can be said of the interval.
    Boolean(value) && <span className="faint"> {margin(halfWidth(value))} %</span>,
};

/** Write the size that a job aims at with its unit. */
function sizeInWords(value: Value, target: Job["spec"]["target"]): string {
  if (target?.active_parameters != null) return `${count(value)} active parameters`;
  return target?.parameters != null ? `${count(value)} parameters` : bytes(value);
}

/** The parts of a finished job's result that are figures, as the service describes them. */
export function Parts({ job }: { job: Job }) {
  const described = useQuery(parts).data ?? [];
  return described
    .filter(({ title, group }) => title && job.result?.[group])
    .map((part) => <PartSection key={part.group} job={job} part={part} />);
}

function PartSection({ job, part }: { job: Job; part: Part }) {
  const { title, note } = part;
  return (
    <Section title={title}>
      <PartFacts job={job} group={part.group} />
      <PartTable job={job} part={part} />
      {note && <p className="faint">{filled(note, part.group, job)}</p>}
    </Section>
  );
}

/** The facts of a part, without those whose metric is missing. */
export function PartFacts({ job, group }: { job: Job; group: string }) {
  const part = useQuery(parts).data?.find((one) => one.group === group);
  const known = Object.entries(part?.facts ?? {}).filter(([, text]) => isKnown(text, group, job));
  if (known.length === 0) return null;
  return (
    <Facts>
      {known.map(([name, text]) => (
        <Fact key={name} name={name}>
          {filled(text, group, job)}
        </Fact>
      ))}
    </Facts>
  );
}

/** The table of a part, without the rows whose first metric is missing. */
function PartTable({ job, part: { table, group } }: { job: Job; part: Part }) {
  const [[first, ...heads] = [], ...all] = table;
  const rows = all.filter(([, cell = ""]) => isKnown(cell, group, job));
  if (rows.length === 0) return null;
  return (
    <Scroll label={first ?? ""}>
      <table>
        <thead>
          <tr>
            <th scope="col">{first}</th>
            {heads.map((head) => (
              <th key={head} scope="col" className="end">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, ...cells]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {cells.map((cell) => (
                <td key={cell} className="end figure">
                  {filled(cell, group, job)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

/** Write a text with the values of its metrics: `{name:unit}`, or `{/name:unit}` of no group. */
function filled(text: string, group: string, job: Job): ReactNode[] {
  return text.split(/[{}]/).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const [name = "", unit = ""] = piece.split(":");
    return (
      <Fragment key={piece}>{UNITS[unit]?.(metricOf(name, group, job), job) ?? NONE}</Fragment>
    );
  });
}

/** Whether the first metric in a text is known. */
function isKnown(text: string, group: string, job: Job): boolean {
  const [, name = ""] = /\{(.+?):/.exec(text) ?? [];
  return metricOf(name, group, job) !== null;
}

function metricOf(name: string, group: string, job: Job): Value {
  const path = name.startsWith("/") ? name.slice(1) : `${group}.${name}`;
  const within = (value: unknown, key: string) => (value as Record<string, unknown> | null)?.[key];
  return number(path.split(".").reduce<unknown>(within, job.result));
}
