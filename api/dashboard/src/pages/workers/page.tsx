import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useMay } from "../../api/keys.ts";
import {
  type Queue,
  queues,
  silenceOf,
  useDrain,
  type Worker,
  workers,
} from "../../api/workers.ts";
import { Spark } from "../../charts/spark.tsx";
import { bytes, clock, duration, NONE, shortId, wholeSeconds } from "../../format.ts";
import { Code } from "../../ui/code.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { useNow } from "../../ui/now.ts";
import { Scroll } from "../../ui/scroll.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";

export function WorkersPage() {
  return (
    <>
      <Title text="Workers and queues" />
      <Queues />
      <Workers />
    </>
  );
}

function Queues() {
  const { data, error, refetch } = useQuery(queues);
  return (
    <Section title="Queues">
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="queues" lines={2} />}
      {data && (
        <Scroll label="Queues">
          <table>
            <thead>
              <tr>
                <th scope="col">Queue</th>
                <th scope="col">Waiting jobs over time</th>
                <th scope="col" className="end">
                  Waiting
                </th>
                <th scope="col" className="end">
                  Longest wait
                </th>
                <th scope="col" className="end">
                  Running
                </th>
                <th scope="col" className="end">
                  Workers
                </th>
                <th scope="col">Devices</th>
                <th scope="col" className="end">
                  Largest memory
                </th>
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
    </Section>
  );
}

function QueueRow({ queue }: { queue: Queue & { history: number[] } }) {
  const isStuck = queue.depth > 0 && queue.workers === 0;
  return (
    <tr>
      <th scope="row" className="mono">
        {queue.name}
      </th>
      <td>
        <Spark values={queue.history} />
      </td>
      <td className="end">{queue.depth}</td>
      <td className="end">{duration(queue.oldest_age_seconds)}</td>
      <td className="end">{queue.running}</td>
      <td className="end">
        {queue.workers}
        {isStuck && <span className="problem-word"> no workers</span>}
      </td>
      <td>{queue.devices.join(", ") || NONE}</td>
      <td className="end">{bytes(queue.memory_bytes)}</td>
    </tr>
  );
}

function Workers() {
  const { data, dataUpdatedAt, error, refetch } = useQuery(workers);
  const drain = useDrain();
  return (
    <Section title="Workers" aside={data && <span className="faint figure">{data.length}</span>}>
      {(error ?? drain.error) !== null && (
        <ErrorNote error={error ?? drain.error} retry={error ? refetch : undefined} />
      )}
      {data === undefined && error === null && <Loading what="workers" lines={3} />}
      {data?.length === 0 && (
        <Empty title="No workers">
          <p>
            Jobs wait until a worker starts. On a machine with a GPU and the same settings, run:
          </p>
          <Code text="zpruner part worker -Q gpu" label="worker command" />
        </Empty>
      )}
      <ul className="workers">
        {data?.map((one) => (
          <WorkerCard
            key={one.id}
            worker={one}
            fetchedAt={dataUpdatedAt}
            drain={() => drain.mutate(one)}
          />
        ))}
      </ul>
    </Section>
  );
}

/** The colours of a worker's states, from those of a job's statuses. */
const TONES: Record<string, string> = {
  idle: "queued",
  busy: "running",
  draining: "paused",
  silent: "failed",
  lost: "failed",
};

interface CardProps {
  worker: Worker;
  fetchedAt: number;
  drain: () => void;
}

function WorkerCard({ worker, fetchedAt, drain }: CardProps) {
  const silence = silenceOf(worker, fetchedAt, useNow());
  const state = silence !== null && worker.state !== "lost" ? "silent" : worker.state;
  const mayDrain = useMay("admin");
  return (
    <li className={silence === null ? "" : "is-silent"}>
      <div className="row">
        <strong className="mono wrap">{worker.name}</strong>
        <span className={`pill is-${TONES[state] ?? "queued"}`}>{state}</span>
      </div>
      <div>
        {worker.device ?? "device unknown"}
        {worker.memory_bytes != null && ` · ${bytes(worker.memory_bytes)}`}
        <div className="faint">queues: {worker.queues.join(", ")}</div>
      </div>
      <div>
        {worker.job_id ? (
          <Link href={`/jobs/${worker.job_id}`}>job {shortId(worker.job_id)}</Link>
        ) : (
          <span className="faint">no job</span>
        )}
        {silence === null ? (
          <div className="faint">
            heartbeat <Ago at={worker.heartbeat_at} />
          </div>
        ) : (
          <div className="problem-word">no heartbeat for {wholeSeconds(silence)}</div>
        )}
        {silence !== null && worker.job?.lease_until && (
          <div className="faint">
            Its job is released at {clock(worker.job.lease_until)} if it stays silent.
          </div>
        )}
      </div>
      {worker.state !== "lost" && mayDrain && (
        <button
          type="button"
          className="small"
          onClick={drain}
          aria-label={`${worker.draining ? "Take jobs again" : "Drain"} ${worker.name}`}
          title="A draining worker finishes its job and takes no new one."
        >
          {worker.draining ? "Take jobs again" : "Drain"}
        </button>
      )}
    </li>
  );
}
