import type { Job } from "../../api/client.ts";
import { taskRows } from "../../api/tasks.ts";
import { margin, percent, points, pValue } from "../../format.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { TaskName } from "../../ui/task-name.tsx";

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
            {rows.map(({ task, dense, pruned, interval, dropInterval, pValue: p }) => (
              <tr key={task}>
                <th scope="row" className="mono">
                  <TaskName name={task} />
                </th>
                <td className="end figure">{percent(dense)}</td>
                <td className="end figure">
                  {percent(pruned)}
                  {interval !== null && <span className="faint"> {margin(interval)} %</span>}
                </td>
                <td className="end figure">
                  {points(dense, pruned)}
                  {dropInterval !== null && <span className="faint"> {margin(dropInterval)}</span>}
                </td>
                <td className="end figure">{pValue(p)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <p className="faint">
        ± is a 95 % interval; that of the change counts that both models answer the same items. p is
        how likely such a difference on the same items would be by chance (McNemar’s test).
      </p>
    </Section>
  );
}
