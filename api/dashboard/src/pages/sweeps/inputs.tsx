import { number } from "../../api/jobs.ts";
import type { Point } from "../../api/sweeps.ts";
import { members } from "../../api/tasks.ts";
import { count } from "../../format.ts";
import { Fact, Facts } from "../../ui/section.tsx";
import { Reference } from "../../ui/value.tsx";

/** From how many letters on a text has a line of its own. */
const LONG = 24;

/** Model, texts and windows, which are the same for all points. */
export function Inputs({ points }: { points: Point[] }) {
  const spec = points.find(({ job }) => job)?.job?.spec;
  if (spec === undefined) return null;
  const { model, dataset, samples, seq_len: length } = spec;
  const protocols = points.map(({ job }) => members(job?.result ?? null, "protocol"));
  const { windows, tokens, dataset: text } = protocols.find((one) => one.windows != null) ?? {};
  const measured = text ?? spec.eval_dataset;
  return (
    <Facts>
      <Fact name="Model">
        <Reference text={model} />
      </Fact>
      {samples != null && (
        <Fact name="Windows">
          {count(samples)}
          {length != null && ` of ${count(length)} tokens`}
        </Fact>
      )}
      <Fact name="Text" isLong={dataset.length > LONG}>
        <Reference text={dataset} />
      </Fact>
      {measured != null && (
        <Fact name="Perplexity measured on" isLong>
          <Reference text={String(measured)} />
          {windows != null && `: ${count(number(tokens))} tokens in ${String(windows)} windows`}
        </Fact>
      )}
    </Facts>
  );
}
