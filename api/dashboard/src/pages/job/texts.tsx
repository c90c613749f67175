import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { halfWidth, members } from "../../api/tasks.ts";
import { figure, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { Reference } from "../../ui/value.tsx";

/** How far the pruned model's predictions are from the dense one's on each text. */
export function Texts({ job }: { job: Job }) {
  const texts = Object.keys(members(job.result, "kl"));
  if (texts.length === 0) return null;
  return (
    <Section title="Distance from the dense model">
      <Scroll label="Distance by text">
        <table>
          <thead>
            <tr>
              <th scope="col">Text</th>
              <th scope="col" className="end">
                Perplexity
              </th>
              <th scope="col" className="end">
                Ratio to dense
              </th>
              <th scope="col" className="end">
                Divergence
              </th>
              <th scope="col" className="end">
                Same token
              </th>
            </tr>
          </thead>
          <tbody>
            {texts.map((text) => (
              <tr key={text}>
                <th scope="row" className="mono">
                  <Reference text={text} />
                </th>
                <td className="end figure">
                  {figure(number(members(job.result, "text_perplexity")[text]))}
                </td>
                <Estimate job={job} metric="text_ratio" text={text} />
                <Estimate job={job} metric="kl" text={text} />
                <Estimate job={job} metric="agreement" text={text} isShare />
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="faint">
        Of the first windows of each text. The divergence is that of Kullback and Leibler from the
        dense model’s prediction of the next token to the pruned one’s, in nats per token: 0 is the
        same prediction. “Same token” is how often both find the same token most likely. ± are 95 %
        intervals.
      </p>
    </Section>
  );
}

interface EstimateProps {
  job: Job;
  metric: string;
  text: string;
  isShare?: boolean;
}

function Estimate({ job, metric, text, isShare = false }: EstimateProps) {
  const of = (group: string) => number(members(job.result, group)[text]);
  const [value, half] = [of(metric), halfWidth(of(`${metric}_stderr`))];
  const format = isShare ? percent : figure;
  return (
    <td className="end figure">
      {format(value)}
      {half !== null && <span className="faint"> ± {format(half)}</span>}
    </td>
  );
}
