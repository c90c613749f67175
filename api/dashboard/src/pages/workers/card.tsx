import { Link } from "wouter";
import { useMay } from "../../api/keys.ts";
import { silenceOf, type Worker, type WorkerPoint } from "../../api/workers.ts";
import {
  blocksInWords,
  bytes,
  clock,
  duration,
  modelName,
  percent,
  wholeSeconds,
} from "../../format.ts";
import { useNow } from "../../ui/now.ts";
import { Ago } from "../../ui/time.tsx";
import { DayFigures, DayStrip } from "./day.tsx";

/** The colours of a worker's states, from those of a job's statuses. */
const TONES: Record<string, string> = {
  idle: "queued",
  busy: "running",
  draining: "paused",
  silent: "failed",
  lost: "failed",
};

interface Props {
  worker: Worker;
  points: WorkerPoint[];
  fetchedAt: number;
  drain: () => void;
}

export function WorkerCard({ worker, points, fetchedAt, drain }: Props) {
  const silence = silenceOf(worker, fetchedAt, useNow());
  const state = silence !== null && worker.state !== "lost" ? "silent" : worker.state;
  const mayDrain = useMay("admin") && worker.state !== "lost";
  return (
    <li>
      <header className="row spread">
        <h3 className="mono wrap">{worker.name}</h3>
        <span className={`pill is-${TONES[state] ?? "queued"}`}>{state}</span>
      </header>
      <p className="faint">
        {worker.device ?? "device unknown"} · queues {worker.queues.join(", ")}
      </p>
      <p className="faint wrap">{extrasInWords(worker)}</p>
      <Device worker={worker} />
      <CurrentJob worker={worker} />
      {silence === null ? (
        <p className="faint">
          heartbeat <Ago at={worker.heartbeat_at} />
        </p>
      ) : (
        <p>
          <span className="problem-word">no heartbeat for {wholeSeconds(silence)}</span>
          {worker.job?.lease_until &&
            ` Its job is released at ${clock(worker.job.lease_until)} if it stays silent.`}
        </p>
      )}
      <Day name={worker.name} points={points} />
      {worker.draining && <p>{waitInWords(worker)}</p>}
      {mayDrain && (
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

function Device({ worker }: { worker: Worker }) {
  const { load, memory_used_bytes: used, memory_bytes: total, temperature_c: heat } = worker;
  return (
    <dl className="gauges">
      <Gauge name="Load" share={load} text={percent(load, 0)} />
      <Gauge
        name="Memory"
        share={used != null && total ? used / total : null}
        text={used == null ? `of ${bytes(total)}` : `${bytes(used)} of ${bytes(total)}`}
      />
      {heat != null && (
        <Gauge name="Temperature" share={heat / 100} text={`${Math.round(heat)} °C`} />
      )}
    </dl>
  );
}

function Gauge({ name, share, text }: { name: string; share: number | null; text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {share !== null && (
          <meter className="gauge" min={0} max={1} value={share} aria-label={name} />
        )}
        <span className="figure">{text}</span>
      </dd>
    </div>
  );
}

function CurrentJob({ worker: { job } }: { worker: Worker }) {
  if (!job) return <p className="faint">no job</p>;
  const { block, fraction, eta_seconds: eta } = job.progress;
  const pace = job.seconds_per_step;
  return (
    <div className="stack tight">
      <Link className="wrap strong" href={`/jobs/${job.id}`}>
        {job.name || modelName(job.model)}
      </Link>
      <progress className="bar is-running" max={1} value={fraction} aria-label="Progress" />
      <p className="faint figure">
        {[
          percent(fraction, 0),
          job.phase,
          block && blocksInWords(job.status, block),
          pace !== null && `${duration(pace)} each`,
          eta && `about ${duration(eta.p50)} left`,
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
    </div>
  );
}

/** The extras decide which tasks, formats and runtimes the worker's jobs can use. */
function extrasInWords({ extras }: Worker): string {
  if (!extras) return "extras unknown";
  return `extras ${Object.keys(extras).join(", ") || "none"}`;
}

function waitInWords({ job }: Worker): string {
  if (!job) return "Drained: it has no job and takes none.";
  const left = job.progress.eta_seconds;
  const when = left ? `, in about ${duration(left.p50)}` : "";
  return `Draining: it takes no job after ${job.name || modelName(job.model)} has ended${when}.`;
}

/** The share of the last day in which the worker had a job. */
function Day({ name, points }: { name: string; points: WorkerPoint[] }) {
  const busy = points.reduce((sum, one) => sum + one.busy, 0) / Math.max(1, points.length);
  return (
    <figure className="day" aria-label={`The last day of ${name}`}>
      <figcaption className="faint">Last day: with a job {percent(busy, 0)} of its time</figcaption>
      <DayStrip points={points.map((one) => ({ at: one.at, share: one.busy }))} />
      <DayFigures
        heads={["With a job", "Highest load"]}
        rows={points.map((one) => [one.at, percent(one.busy, 0), percent(one.load, 0)])}
      />
    </figure>
  );
}
