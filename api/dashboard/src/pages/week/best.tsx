import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { bestIn, type Week } from "../../api/use.ts";
import { figure, modelName, percent, shortId } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";

const HEADS = ["Reduction", "Perplexity ratio", "Accuracy", "Speed"];

/** The most reduced models of a week that have passed their gates. */
export function Best({ week }: { week: Week }) {
  const { data } = useQuery(bestIn(week));
  if (data === undefined) return null;
  return (
    <Section title="Best results">
      {data.length === 0 ? (
        <p className="faint">No job that was submitted in this week has passed a gate.</p>
      ) : (
        <Scroll label="Best results">
          <table>
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">Model</th>
                {HEADS.map((one) => (
                  <th key={one} scope="col" className="end">
                    {one}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.map((job) => (
                <BestRow key={job.id} job={job} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  );
}

function BestRow({ job }: { job: Job }) {
  return (
    <tr>
      <th scope="row" className="wrap">
        <Link href={`/jobs/${job.id}`}>{job.name || shortId(job.id)}</Link>
      </th>
      <td>{modelName(job.spec.model)}</td>
      <td className="end">{percent(job.reduction)}</td>
      <td className="end">{figure(number(job.result?.perplexity_ratio))}</td>
      <td className="end">{percent(job.accuracy)}</td>
      <td className="end">{figure(job.speed)}</td>
    </tr>
  );
}
