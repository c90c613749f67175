import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { count, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";

const CHOICES = {
  ranker: "Chosen by the ranker",
  random: "Chosen at random",
  first: "The first one drawn",
  any: "Any of them is right",
};
/** Standard errors in half of a 95 % interval. */
const NORMAL_95 = 1.96;

type Numbers = Record<string, unknown>;

/** How often the chosen one of several drawn answers is right, for the dense and the pruned model. */
export function Ranking({ job }: { job: Job }) {
  const measured = job.result?.ranking as Numbers | undefined;
  if (!measured) return null;
  const errors = (job.result?.ranking_stderr ?? {}) as Numbers;
  const cell = (name: string) => {
    const error = number(errors[name]);
    return (
      <td className="end figure">
        {percent(number(measured[name]), 1)}
        {error !== null && <span className="faint"> ± {percent(NORMAL_95 * error, 1)}</span>}
      </td>
    );
  };
  return (
    <Section title="Ranking of answers">
      <Scroll label="Right answers">
        <table>
          <thead>
            <tr>
              <th scope="col">Right answers</th>
              <th scope="col" className="end">
                Dense
              </th>
              <th scope="col" className="end">
                Pruned
              </th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(CHOICES).map(([choice, label]) => (
              <tr key={choice}>
                <th scope="row">{label}</th>
                {cell(`dense_${choice}`)}
                {cell(`pruned_${choice}`)}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="faint">
        Of {count(number(measured.questions))} questions that the rankers, of{" "}
        {count(number(measured.parameters))} parameters, were not trained on. ± is a 95 % interval.
        It measures the models and prunes nothing.
      </p>
    </Section>
  );
}
