import { Link } from "wouter";
import type { Sweep } from "../../api/sweeps.ts";
import { figure, percent } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { StatusPill } from "../../ui/status.tsx";
import { Verdict } from "../../ui/verdict.tsx";
import { Waiting } from "../../ui/waiting.tsx";
import { intervalOf, nameOf, statusOf } from "./points.ts";

export function PointTable({ points, best }: Pick<Sweep, "points" | "best">) {
  return (
    <Scroll label="Points of the sweep">
      <table>
        <thead>
          <tr>
            <th scope="col">Point</th>
            <th scope="col">Status</th>
            <th scope="col" className="end">
              Reduction
            </th>
            <th scope="col" className="end">
              Perplexity
            </th>
            <th scope="col" className="end">
              Ratio
            </th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          {points.map((one) => (
            <tr key={one.job_id} className={one.on_front ? "is-front" : ""}>
              <th scope="row">
                <Link href={`/jobs/${one.job_id}`}>{nameOf(one)}</Link>{" "}
                {one.job_id === best && <span className="tag">best that passes</span>}{" "}
                {one.on_front && <span className="tag">Pareto front</span>}
              </th>
              <td>
                <StatusPill status={statusOf(one)} />
                {one.job?.status === "queued" && (
                  <div className="faint">
                    <Waiting job={one.job} />
                  </div>
                )}
                {one.status === "running" && (
                  <span className="faint"> {percent(one.progress, 0)}</span>
                )}
              </td>
              <td className="end">{percent(one.reduction)}</td>
              <td className="end">
                {figure(one.perplexity)}
                <span className="faint">{intervalOf(one, "pruned_perplexity")}</span>
              </td>
              <td className="end">
                {figure(one.perplexity_ratio)}
                <span className="faint">{intervalOf(one, "perplexity_ratio")}</span>
              </td>
              <td>
                <Verdict verdict={one.verdict} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
