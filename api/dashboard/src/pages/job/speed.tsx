import type { Job } from "../../api/client.ts";
import { type SpeedRow, speedRows, speedSummary } from "../../api/speed.ts";
import { Bars } from "../../charts/bars.tsx";
import { Section } from "../../ui/section.tsx";

/** The speed and memory of the dense and of the pruned model, and what they mean in words. */
export function Speed({ job }: { job: Job }) {
  const rows = speedRows(job);
  if (rows.length === 0) return null;
  return (
    <Section title="Speed">
      {rows.map((row) => (
        <Pair key={row.label} row={row} />
      ))}
      <ul>
        {speedSummary(job).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
      <p className="faint">
        In transformers on the worker’s device. Bars are medians of nine rounds, in each of which
        both models were measured; the range is where the true ratio lies.
      </p>
    </Section>
  );
}

function Pair({ row: { label, dense, pruned } }: { row: SpeedRow }) {
  return (
    <figure className="speed">
      <figcaption>{label}</figcaption>
      <Bars
        label={label}
        bars={[
          { name: "Dense", value: dense, isReference: true },
          { name: "Pruned", value: pruned },
        ]}
      />
    </figure>
  );
}
