import type { Job } from "../../api/client.ts";
import { taskRows } from "../../api/tasks.ts";
import { count, margin, percent, points, pValue } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { Reference } from "../../ui/value.tsx";

/** The accuracy of the dense and of the pruned model on each zero-shot task. */
export function Tasks({ job }: { job: Job }) {
  const rows = taskRows(job);
  if (rows.length === 0) return null;
  return (
    <Section title="Zero-shot tasks">
      <Scroll label="Accuracy by task">
        <table>
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col" className="end">
                Dense
              </th>
              <th scope="col" className="end">
                Pruned
              </th>
              <th scope="col" className="end">
                Change
              </th>
              <th scope="col" className="end">
                p
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ task, dense, denseInterval, pruned, interval, dropInterval, ...row }) => (
              <tr key={task}>
                <th scope="row" className="mono">
                  <Reference text={task} />
                  {row.items !== null && <Items items={row.items} chance={row.chance} />}
                </th>
                <Accuracy share={dense} interval={denseInterval} />
                <Accuracy share={pruned} interval={interval} />
                <td className={`end figure ${toneOf((pruned ?? 0) - (dense ?? 0), dropInterval)}`}>
                  {points(dense, pruned)}
                  {dropInterval !== null && (
                    <span className="faint interval"> {margin(dropInterval)}</span>
                  )}
                </td>
                <td className="end figure">{pValue(row.pValue)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="faint">
        {rows.some(({ chance }) => chance !== null) &&
          "Chance is the accuracy of answers that are drawn. "}
        Ranges and ± are 95 % intervals; that of the change counts that both models answer the same
        items: it is green or red only if it is more than that. p is how likely such a difference on
        the same items would be by chance (McNemar’s test).
      </p>
    </Section>
  );
}

function Items({ items, chance }: { items: number; chance: number | null }) {
  return (
    <div className="faint">
      {count(items)} items{chance !== null && `, chance ${percent(chance)}`}
    </div>
  );
}

function Accuracy({ share, interval }: { share: number | null; interval: string | null }) {
  return (
    <td className="end figure">
      {percent(share)} {interval !== null && <span className="faint interval">{interval}</span>}
    </td>
  );
}

/** The colour of a gain or a loss that is more than its interval. */
function toneOf(gain: number, interval: number | null): string {
  if (interval === null || Math.abs(gain) <= interval) return "";
  return gain > 0 ? "tone is-succeeded" : "tone is-failed";
}
