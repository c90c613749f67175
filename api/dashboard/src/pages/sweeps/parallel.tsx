import { useState } from "react";
import type { Point } from "../../api/sweeps.ts";
import { classesOf } from "../../charts/look.ts";
import { figure } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { axesOf, type ParallelAxis } from "./parallel-axes.ts";
import { fieldText, groupsOf, nameOf, variedFields } from "./points.ts";

const LEAST_FIELDS = 3;

interface Props {
  points: Point[];
  best: string | null;
}

/** A line for each point through its value of every field; shown from three varied fields on. */
export function ParallelCoordinates({ points, best }: Props) {
  const [chosen, choose] = useState<Record<string, string>>({});
  const measured = points.filter(({ perplexity }) => perplexity !== null);
  if (variedFields(points).length < LEAST_FIELDS || measured.length === 0) return null;
  const axes = axesOf(measured);
  const isChosen = (point: Point) =>
    Object.entries(chosen).every(([name, value]) => fieldText(point, name) === value);
  const shown = measured.filter(isChosen);
  const toggle = (name: string, value: string) => {
    const { [name]: old, ...rest } = chosen;
    choose(old === value ? rest : { ...chosen, [name]: value });
  };
  return (
    <Section
      title="All fields"
      aside={
        <span className="faint" role="status">
          {shown.length} of {points.length} points
        </span>
      }
    >
      <Scroll label="Parallel coordinates">
        <div className="parallel">
          <Lines points={measured} {...{ axes, isChosen, best }} />
          {axes.map((axis, index) => (
            <Axis
              key={axis.name}
              axis={axis}
              left={(100 * index) / (axes.length - 1)}
              chosen={chosen[axis.name]}
              choose={(value) => toggle(axis.name, value)}
            />
          ))}
        </div>
      </Scroll>
      <p className="faint">
        Choose values to see only the points that have them; the table of points has the figures.
      </p>
    </Section>
  );
}

interface LinesProps extends Props {
  axes: ParallelAxis[];
  isChosen: (point: Point) => boolean;
}

function Lines({ points, axes, isChosen, best }: LinesProps) {
  const groupOf = groupsOf(points);
  return (
    <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
      {points.map((point) => {
        const state = isChosen(point) ? "" : " is-faded";
        const look = `${classesOf(groupOf(point).style)}${state}`;
        return (
          <polyline
            key={point.job_id}
            className={point.job_id === best ? `${look} is-best` : look}
            points={pathOf(axes, point)}
          >
            <title>{`${nameOf(point)}: perplexity ${figure(point.perplexity)}`}</title>
          </polyline>
        );
      })}
    </svg>
  );
}

function pathOf(axes: ParallelAxis[], point: Point): string {
  return axes
    .map((axis, index) => {
      const x = (100 * index) / (axes.length - 1);
      return `${x},${100 - 100 * (axis.placeOf(point) ?? 0)}`;
    })
    .join(" ");
}

interface AxisProps {
  axis: ParallelAxis;
  left: number;
  chosen: string | undefined;
  choose: (value: string) => void;
}

function Axis({ axis, left, chosen, choose }: AxisProps) {
  return (
    <div className="parallel-axis" style={{ left: `${left}%` }}>
      <span className="parallel-name">{axis.name}</span>
      {axis.values.map(({ text, at }) => {
        const top = { top: `${100 - 100 * at}%` };
        if (!axis.isChoice) {
          return (
            <span key={text} className="parallel-value" style={top}>
              {text}
            </span>
          );
        }
        return (
          <button
            key={text}
            type="button"
            className="parallel-value"
            style={top}
            aria-pressed={chosen === text}
            onClick={() => choose(text)}
          >
            {text}
          </button>
        );
      })}
    </div>
  );
}
