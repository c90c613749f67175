import type { Job } from "../../api/client.ts";
import { type SpeedRow, speedRows, speedSummary } from "../../api/speed.ts";
import { Bars } from "../../charts/bars.tsx";
import { figure } from "../../format.ts";
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
        In transformers on the worker’s device. Figures are medians of nine rounds, in each of which
        both models were measured. Bars and × are the median of the rounds’ ratios, which may differ
        from the ratio of the medians; the range is where the true ratio lies. Green is better and
        red worse by more than that range.
      </p>
    </Section>
  );
}

function Pair({ row: { label, dense, pruned, ratio, isBetter } }: { row: SpeedRow }) {
  return (
    <figure className="speed">
      <figcaption>{label}</figcaption>
      <Bars
        label={label}
        bars={[
          { name: "Dense", value: 1, text: figure(dense), isReference: true },
          {
            name: "Pruned",
            value: ratio,
            text: `${figure(pruned)} (× ${figure(ratio)})`,
            isBetter,
          },
        ]}
      />
    </figure>
  );
}
