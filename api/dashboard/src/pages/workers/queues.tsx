import { useQuery } from "@tanstack/react-query";
import { type Queue, type QueuePoint, queueHistories, queues } from "../../api/workers.ts";
import { bytes, duration, NONE } from "../../format.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { DayFigures, DayStrip } from "./day.tsx";

const COLUMNS = [
  ...["Queue", "Waiting", "Longest wait", "Postponed", "Running", "Workers"],
  "Largest memory",
];

export function Queues() {
  const { data, error, refetch } = useQuery(queues);
  const { data: histories } = useQuery(queueHistories);
  return (
    <Section title="Queues">
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="queues" lines={2} />}
      {data && (
        <Scroll label="Queues">
          <table>
            <thead>
              <tr>
                {COLUMNS.map((name, at) => (
                  <th key={name} scope="col" className={at === 0 ? "" : "end"}>
                    {name}
                  </th>
                ))}
                <th scope="col">Devices</th>
              </tr>
            </thead>
            <tbody>
              {data.map((one) => (
                <QueueRow key={one.name} queue={one} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {data?.map(({ name }) => (
        <Depth key={name} name={name} points={histories?.get(name) ?? []} />
      ))}
    </Section>
  );
}

function QueueRow({ queue }: { queue: Queue }) {
  const isStuck = queue.depth + queue.postponed > 0 && queue.workers === 0;
  return (
    <tr>
      <th scope="row" className="mono">
        {queue.name}
      </th>
      <td className="end">{queue.depth}</td>
      <td className="end">{duration(queue.oldest_age_seconds)}</td>
      <td className="end">{queue.postponed}</td>
      <td className="end">{queue.running}</td>
      <td className="end">
        {queue.workers}
        {isStuck && <span className="problem-word"> no workers</span>}
      </td>
      <td className="end">{bytes(queue.memory_bytes)}</td>
      <td>{queue.devices.join(", ") || NONE}</td>
    </tr>
  );
}

/** The waiting jobs of a queue over the last day. */
function Depth({ name, points }: { name: string; points: QueuePoint[] }) {
  const most = Math.max(1, ...points.map(({ queued }) => queued));
  const strip = points.map(({ at, queued }) => ({ at, share: queued / most }));
  const last = Math.max(0, ...points.map(({ queued }) => queued));
  return (
    <figure className="day" aria-label={`Waiting jobs of ${name} in the last day`}>
      <figcaption className="faint">
        Waiting in <span className="mono">{name}</span> in the last day: at most {last}
      </figcaption>
      <DayStrip points={strip} />
      <DayFigures
        heads={["Waiting", "Running"]}
        rows={points.map(({ at, queued, running }) => [at, String(queued), String(running)])}
      />
    </figure>
  );
}
