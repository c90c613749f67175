import { useQuery } from "@tanstack/react-query";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { jobOutputs, type Output, type OutputAction, useOutputAction } from "../../api/outputs.ts";
import { bytes, duration, percent } from "../../format.ts";
import { Copy } from "../../ui/copy.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { useNow } from "../../ui/now.ts";
import { Section } from "../../ui/section.tsx";

/** The colours of an output's states, from those of a job's. */
const TONES: Record<Output["state"], string> = {
  waiting: "queued",
  running: "running",
  succeeded: "succeeded",
  failed: "failed",
  cancelled: "cancelled",
  skipped: "cancelled",
};
const LABELS: Record<OutputAction, string> = { cancel: "Cancel", retry: "Send again" };

/** The targets that the job's result is sent to: how far, or why not. */
export function Outputs({ job }: { job: Job }) {
  const targets = (job.spec.output ?? []).length;
  const { data = [], error, refetch } = useQuery({ ...jobOutputs(job.id), enabled: targets > 0 });
  if (targets === 0) return null;
  return (
    <Section title="Outputs">
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data.length === 0 && <p className="faint">{noneInWords(job, targets)}</p>}
      <ul className="plain stack">
        {data.map((one) => (
          <OutputRow key={one.index} job={job.id} output={one} />
        ))}
      </ul>
    </Section>
  );
}

function noneInWords({ status }: Job, targets: number): string {
  const places = targets === 1 ? "one place" : `${targets} places`;
  if (!isFinal(status)) return `The result is sent to ${places} once the job has succeeded.`;
  return "The job did not succeed, so nothing was sent.";
}

function OutputRow({ job, output }: { job: string; output: Output }) {
  const { state, progress, error, url } = output;
  const action = useOutputAction(job, output.index);
  const name = nameOf(output);
  const share = progress.bytes_total > 0 ? progress.bytes_sent / progress.bytes_total : 0;
  return (
    <li>
      <div className="row">
        <span className="mono wrap">{name}</span>
        <span className={`pill is-${TONES[state]}`}>{state}</span>
        {output.actions.map((one) => (
          <button
            key={one}
            type="button"
            className="quiet"
            aria-label={`${LABELS[one as OutputAction]}: ${name}`}
            disabled={action.isPending}
            onClick={() => action.mutate(one as OutputAction)}
          >
            {LABELS[one as OutputAction]}
          </button>
        ))}
      </div>
      {state === "running" && (
        <>
          <progress className="bar is-running" max={1} value={share} aria-label={`Sent to ${name}`}>
            {percent(share, 0)}
          </progress>
          <p className="faint figure">
            {bytes(progress.bytes_sent)} of {bytes(progress.bytes_total)}, {progress.files_sent} of{" "}
            {progress.files_total} files
          </p>
        </>
      )}
      {url && <Address url={url} />}
      {error && <Reason output={output} />}
      {action.error !== null && <ErrorNote error={action.error} />}
    </li>
  );
}

/** The address of what was sent: a link, if a browser can open it. */
function Address({ url }: { url: string }) {
  if (!/^https?:/.test(url)) {
    return (
      <p className="mono wrap">
        {url}
        <Copy text={url} label="Copy the address" />
      </p>
    );
  }
  return (
    <p>
      <a className="wrap" href={url} target="_blank" rel="noreferrer">
        {url}
      </a>
    </p>
  );
}

function Reason({ output }: { output: Output }) {
  const now = useNow();
  const { error, state, next_attempt_at: next, attempts } = output;
  const isRetried = state === "waiting" && next !== null;
  const seconds = isRetried ? (new Date(next).getTime() - now) / 1000 : 0;
  return (
    <>
      <p className="wrap">
        {error && inWords(error.detail)} {!isRetried && error?.hint?.replaceAll("`", "")}
      </p>
      {isRetried && (
        <p className="faint">
          Attempt {attempts} failed; the next one is{" "}
          {seconds <= 1 ? "due" : `in ${duration(Math.ceil(seconds))}`}.
        </p>
      )}
    </>
  );
}

/** Return an error without the markup that a server responded with, but with its message. */
export function inWords(detail: string): string {
  const start = detail.search(/<\?xml|<!doctype|<html|<Error>/i);
  if (start < 0) return detail;
  const [, said = ""] = /<(?:Message|title)>([^<]*)</i.exec(detail) ?? [];
  return `${detail.slice(0, start).trim()} ${said}`.trim().replace(/[^.]$/, "$&.");
}

/** The target's kind and name, without its secret. */
function nameOf({ target }: Output): string {
  const { hub, s3, endpoint, mlflow, experiment } = target as Record<string, string | undefined>;
  if (hub) return `hub ${hub}`;
  if (s3) return endpoint ? `${s3} at ${endpoint}` : s3;
  return `mlflow ${mlflow}, experiment ${experiment}`;
}
