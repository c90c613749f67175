import { useState } from "react";
import { Link } from "wouter";
import { NONE } from "../format.ts";
import { Scroll } from "../ui/scroll.tsx";
import type { Dot, Drawing, Rows } from "./series.ts";
import { valueText } from "./ticks.ts";

interface Props {
  label: string;
  drawing: Drawing;
  rows: Rows;
}

/** The figures of a chart as a table. */
export function Figures({ label, drawing, rows }: Props) {
  const [isOpen, setOpen] = useState(false);
  const isList = drawing.series.some(({ kind }) => kind === "dots");
  return (
    <details className="figures" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Figures</summary>
      {isOpen && (
        <Scroll label={`Figures: ${label}`} className="tall">
          {isList ? <DotList drawing={drawing} /> : <RowTable drawing={drawing} rows={rows} />}
        </Scroll>
      )}
    </details>
  );
}

/** A row for each x, a column for each series. */
function RowTable({ drawing: { series, x, y }, rows }: Omit<Props, "label">) {
  const texts = (dot: Dot | null | undefined) => (dot ? valueText(dot.y, y.unit) : NONE);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{x.title}</th>
          {series.map(({ name }) => (
            <th key={name} scope="col" className="end">
              {series.length > 1 ? name : y.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.xs.map((at, row) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place, and x can repeat
          <tr key={row}>
            <th scope="row">{valueText(at, x.unit)}</th>
            {series.map(({ name }, column) => (
              <td key={name} className="end figure">
                {texts(rows.columns[column]?.[row])}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A row for each dot. */
function DotList({ drawing: { series, x, y } }: Pick<Props, "drawing">) {
  const dots = series
    .filter(({ kind }) => kind === "dots")
    .flatMap((one) => one.dots.map((dot) => ({ dot, series: one.name })));
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Job</th>
          <th scope="col" className="end">
            {x.title}
          </th>
          <th scope="col" className="end">
            {y.title}
          </th>
        </tr>
      </thead>
      <tbody>
        {dots.map(({ dot, series: name }) => (
          <tr key={dot.href ?? `${name} ${dot.x}`}>
            <th scope="row">
              {dot.href ? <Link href={dot.href}>{dot.name ?? name}</Link> : (dot.name ?? name)}
            </th>
            <td className="end figure">{valueText(dot.x, x.unit)}</td>
            <td className="end figure">{valueText(dot.y, y.unit)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
