import { Link } from "wouter";
import type { Point } from "../../api/sweeps.ts";
import { classOf, extent, logarithmic } from "../../charts/scale.ts";
import { figure, NONE } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { fieldText, statusOf, variedFields } from "./points.ts";

const SHADES = 5;

interface Props {
  points: Point[];
  best: string | null;
}

/** Perplexities by sparsity across and by all other varied fields down. */
export function HeatTable({ points, best }: Props) {
  const fields = variedFields(points);
  const places = ["sparsity", "ratio", "pattern"];
  const across = places.find((name) => fields.includes(name)) ?? fields.at(-1);
  const down = fields.filter((name) => name !== across);
  if (across === undefined || down.length === 0) return null;
  const rowOf = (point: Point) => down.map((name) => fieldText(point, name)).join(", ");
  const columns = [...new Set(points.map((one) => fieldText(one, across)))];
  const rows = [...new Set(points.map(rowOf))];
  const shadeOf = shades(points);
  return (
    <Section title={`${sentence(down.join(", "))} by ${across}`}>
      <Scroll label={`Perplexity by ${down.join(", ")} and ${across}`}>
        <table className="heat-table">
          <thead>
            <tr>
              <td />
              {columns.map((column) => (
                <th key={column} scope="col" className="end">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row}>
                <th scope="row">{row}</th>
                {columns.map((column) => {
                  const point = points.find(
                    (one) => rowOf(one) === row && fieldText(one, across) === column,
                  );
                  return (
                    <Cell key={column} {...{ point, shadeOf }} isBest={point?.job_id === best} />
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="faint">
        Perplexity; a stronger colour is a higher one.
        {points.some(({ verdict }) => verdict !== "none") && " ✓ passes the gate, ✗ fails it."}
      </p>
    </Section>
  );
}

interface CellProps {
  point: Point | undefined;
  shadeOf: (perplexity: number) => number;
  isBest: boolean;
}

function Cell({ point, shadeOf, isBest }: CellProps) {
  if (point === undefined) return <td className="end">{NONE}</td>;
  const { perplexity, verdict, job_id } = point;
  const shade = perplexity === null ? "none" : shadeOf(perplexity);
  return (
    <td className={`end figure shade-${shade}${isBest ? " is-best" : ""}`}>
      <Link href={`/jobs/${job_id}`}>
        {perplexity === null ? statusOf(point) : figure(perplexity)}
      </Link>
      {verdict !== "none" && <span aria-hidden="true">{verdict === "pass" ? " ✓" : " ✗"}</span>}
      {verdict !== "none" && <span className="unseen"> gate {verdict}ed</span>}
      {isBest && <span className="unseen">, best that passes</span>}
    </td>
  );
}

function shades(points: Point[]): (perplexity: number) => number {
  const bounds = extent(points.map(({ perplexity }) => perplexity));
  if (bounds === null || bounds[0] <= 0 || bounds[0] === bounds[1]) return () => 0;
  const scale = logarithmic(...bounds);
  return (perplexity) => classOf(scale(perplexity), SHADES);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
