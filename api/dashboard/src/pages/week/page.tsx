import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useSearch } from "wouter";
import { keys, useMay } from "../../api/keys.ts";
import { bounds, type UseRow, useIn, weekOf } from "../../api/use.ts";
import { count, day, duration, figure, shortId } from "../../format.ts";
import { CsvButton } from "../../ui/csv.tsx";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { Best } from "./best.tsx";

const HOUR_S = 3600;

/** This week's use, or that of a week before: `?ago=1`. */
export function WeekPage() {
  const ago = Math.max(0, Math.floor(Number(new URLSearchParams(useSearch()).get("ago")) || 0));
  const week = weekOf(new Date(), -ago);
  const last = new Date(week.before.getTime() - 1);
  const { data, error, refetch } = useQuery(useIn(week));
  return (
    <>
      <header className="row spread">
        <Title text="A week" />
        <div className="row">
          <Link href={`/week?ago=${ago + 1}`}>Week before</Link>
          {ago > 0 && <Link href={ago > 1 ? `/week?ago=${ago - 1}` : "/week"}>Week after</Link>}
          <CsvButton list="use" query={bounds(week)} />
        </div>
      </header>
      <p className="lead">
        {ago === 0 && "This week: "}
        {day(week.after)} to {day(last)} (UTC)
      </p>
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="the week" />}
      {data && (
        <>
          <Total row={data.total} currency={data.currency} />
          <Best week={week} />
          <div className="pair">
            <ByLabel rows={data.labels} />
            <ByKey rows={data.keys} />
            <Rows title="By method" name="Method" rows={data.methods} of={byMethod} />
          </div>
        </>
      )}
    </>
  );
}

function Total({ row, currency }: { row: UseRow; currency: string | null }) {
  return (
    <Section title="All jobs">
      <Facts>
        <Fact name="Jobs">{count(row.jobs)}</Fact>
        <Fact name="Succeeded">{count(row.succeeded)}</Fact>
        <Fact name="Failed">{count(row.failed)}</Fact>
        <Fact name="Worker time">{duration(row.worker_hours * HOUR_S)}</Fact>
        {row.cost != null && (
          <Fact name="Cost">
            {figure(row.cost)} {currency}
          </Fact>
        )}
      </Facts>
      <p className="faint">
        Jobs that a worker held or that ended in the week. Worker time is how long workers held
        them.
      </p>
    </Section>
  );
}

function ByLabel({ rows }: { rows: UseRow[] }) {
  const link = ({ name }: UseRow) => (
    <Link href={`/?label=${encodeURIComponent(name.replace("=", ":"))}`}>{name}</Link>
  );
  return <Rows title="By label" name="Label" rows={rows} of={link} />;
}

function ByKey({ rows }: { rows: UseRow[] }) {
  const enabled = useMay("admin") === true && rows.some(({ name }) => name !== "");
  const { data } = useQuery({ ...keys, enabled });
  const link = ({ name: id }: UseRow) => {
    if (id === "") return "without a key";
    const known = data?.find((one) => one.id === id)?.name;
    return <Link href={`/?created_by=${id}`}>{known ?? shortId(id)}</Link>;
  };
  return <Rows title="By key" name="Key" rows={rows} of={link} />;
}

function byMethod({ name }: UseRow): ReactNode {
  return <Link href={`/?method=${name}`}>{name}</Link>;
}

interface RowsProps {
  title: string;
  name: string;
  rows: UseRow[];
  of: (row: UseRow) => ReactNode;
}

function Rows({ title, name, rows, of }: RowsProps) {
  return (
    <Section title={title}>
      {rows.length === 0 ? (
        <p className="faint">None in this week.</p>
      ) : (
        <Scroll label={title}>
          <table>
            <thead>
              <tr>
                <th scope="col">{name}</th>
                {["Worker time", "Jobs"].map((one) => (
                  <th key={one} scope="col" className="end">
                    {one}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.name}>
                  <th scope="row" className="wrap">
                    {of(row)}
                  </th>
                  <td className="end">{duration(row.worker_hours * HOUR_S)}</td>
                  <td className="end">
                    {count(row.jobs)}
                    {row.failed > 0 && (
                      <span className="problem-word"> ({count(row.failed)} failed)</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  );
}
