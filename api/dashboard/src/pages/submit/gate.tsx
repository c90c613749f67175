import { useId, useRef } from "react";
import {
  type Bound,
  boundsOf,
  boundsToText,
  confidenceOf,
  hasInterval,
  metricHelp,
  metricInWords,
} from "../../spec/gate.ts";
import { FieldProblem, TextField } from "../../ui/field.tsx";
import { addLine } from "../../ui/focus.ts";
import { Icon } from "../../ui/icon.tsx";

interface Props {
  metrics: string[];
  text: string;
  help: string;
  problem?: string;
  change: (text: string) => void;
}

const LARGER_IS_BETTER = new Set([
  "reduction",
  "sparsity",
  "coverage",
  "zeros",
  "ranking.pruned_ranker",
]);

/** A line for each bound of a gate. */
export function GateField({ metrics, text, help, problem, change }: Props) {
  const id = useId();
  const lines = useRef<HTMLUListElement>(null);
  const adder = useRef<HTMLButtonElement>(null);
  const bounds = boundsOf(text);
  const confidence = confidenceOf(text);
  const put = (next: Bound[]) => change(boundsToText(next, confidence));
  const added = () => facing({ metric: nextMetric(bounds), side: "max", limit: "" });
  const add = () => addLine(lines, () => put([...bounds, added()]));
  const remove = (index: number) => {
    put(bounds.filter((_, at) => at !== index));
    adder.current?.focus();
  };
  const edit = (index: number, part: Partial<Bound>) =>
    put(bounds.map((one, at) => (at === index ? { ...one, ...part } : one)));
  return (
    <fieldset className="stack tight gate" aria-describedby={problem ? id : undefined}>
      <legend>Gate</legend>
      <p className="help">{help}</p>
      {bounds.length > 0 && (
        <ul className="gate-lines" ref={lines}>
          {bounds.map((bound, index) => (
            <BoundLine
              // biome-ignore lint/suspicious/noArrayIndexKey: a bound is known by its place only
              key={index}
              {...{ bound, metrics }}
              number={index + 1}
              edit={(part) => edit(index, part)}
              remove={() => remove(index)}
            />
          ))}
        </ul>
      )}
      {[...new Set(bounds.map(({ metric }) => metricHelp(metric)))].filter(Boolean).map((one) => (
        <p className="help" key={one}>
          {one}
        </p>
      ))}
      {(confidence !== "" || bounds.some(({ metric }) => hasInterval(metric))) && (
        <div className="narrow">
          <TextField
            label="Confidence"
            help={
              "Optional: with 0.95, a bound is missed only if the whole 95\u00a0% interval lies beyond it, so that chance alone fails no job."
            }
            inputMode="decimal"
            placeholder="not used"
            value={confidence}
            change={(next) => change(boundsToText(bounds, next))}
          />
        </div>
      )}
      {problem && <FieldProblem id={id}>{problem}</FieldProblem>}
      <div>
        <button type="button" className="small" ref={adder} onClick={add}>
          <Icon name="plus" />
          Add a bound
        </button>
      </div>
    </fieldset>
  );
}

interface LineProps {
  bound: Bound;
  metrics: string[];
  number: number;
  edit: (part: Partial<Bound>) => void;
  remove: () => void;
}

function BoundLine({ bound, metrics, number, edit, remove }: LineProps) {
  const { metric, side, limit } = bound;
  const offered = metrics.includes(metric) ? metrics : [metric, ...metrics];
  return (
    <li>
      <select
        aria-label={`Metric of bound ${number}`}
        value={metric}
        onChange={({ target }) => edit(facing({ ...bound, metric: target.value }))}
      >
        {offered.map((name) => (
          <option key={name} value={name}>
            {metricInWords(name)}
          </option>
        ))}
      </select>
      <select
        aria-label={`Direction of bound ${number}`}
        value={side}
        onChange={({ target }) => edit({ side: target.value as Bound["side"] })}
      >
        <option value="max">at most</option>
        <option value="min">at least</option>
      </select>
      <input
        type="text"
        inputMode="decimal"
        autoComplete="off"
        aria-label={`Limit of bound ${number}`}
        placeholder={side === "max" ? "1.1" : "0.5"}
        value={limit}
        onChange={({ target }) => edit({ limit: target.value })}
      />
      <button
        type="button"
        className="quiet"
        aria-label={`Remove bound ${number}`}
        title="Remove"
        onClick={remove}
      >
        <Icon name="cancel" />
      </button>
    </li>
  );
}

/** Turn a bound to the side on which its metric is worse. */
function facing(bound: Bound): Bound {
  const isLargerBetter = LARGER_IS_BETTER.has(bound.metric) || bound.metric.startsWith("acc.");
  return { ...bound, side: isLargerBetter ? "min" : "max" };
}

/** Return the metric that a gate most likely bounds next. */
function nextMetric(bounds: Bound[]): string {
  return bounds.some(({ metric }) => metric === "perplexity_ratio")
    ? "sparsity"
    : "perplexity_ratio";
}
