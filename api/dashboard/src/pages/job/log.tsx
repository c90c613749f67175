import { useQuery } from "@tanstack/react-query";
import { type UIEvent, useEffect, useRef, useState } from "react";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { jobLogs, LEVELS, type Level, TAIL } from "../../api/logs.ts";
import { moment, stamp, zone } from "../../format.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";

const POLL_MS = 2000;
const LAST_LINES_MS = 10_000;
const AT_END_PX = 8;

/** The newest log lines; the view follows them until it is scrolled up. */
export function Log({ job }: { job: Job }) {
  const [level, setLevel] = useState<Level>("info");
  const [follows, follow] = useState(true);
  const { data, error, refetch } = useQuery({
    ...jobLogs(job.id, level),
    refetchInterval: useIsGrowing(job) && POLL_MS,
  });
  const box = useRef<HTMLElement>(null);
  const last = data?.at(-1)?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: scroll after every new line
  useEffect(() => {
    if (follows && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [last, follows]);
  const scrolled = ({ currentTarget: { scrollHeight, scrollTop, clientHeight } }: UIEvent) =>
    follow(scrollHeight - scrollTop - clientHeight < AT_END_PX);
  const jump = () => {
    follow(false);
    box.current?.querySelector(".is-error")?.scrollIntoView({ block: "nearest" });
  };
  return (
    <Section
      title="Log"
      aside={
        <div className="row tight">
          <span className="faint">times in {zone()}</span>
          {data?.some((line) => isError(line.level)) && (
            <button type="button" className="small" onClick={jump}>
              Go to first error
            </button>
          )}
          <label className="row tight">
            <input
              type="checkbox"
              checked={follows}
              onChange={(event) => follow(event.target.checked)}
            />
            Follow
          </label>
          <label>
            <span className="unseen">Lowest level</span>
            <select
              className="small"
              value={level}
              onChange={(event) => setLevel(event.target.value as Level)}
            >
              {LEVELS.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        </div>
      }
    >
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data?.length === 0 && <p className="faint">Nothing was logged at this level.</p>}
      {data && data.length > 0 && (
        <section
          ref={box}
          className="scroll tall log"
          aria-label="Log lines"
          onScroll={scrolled}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys need the focus here
          tabIndex={0}
        >
          <ol>
            {data.map((line) => (
              <li key={line.id} className={isError(line.level) ? "is-error" : ""}>
                <time className="faint" dateTime={line.at} title={moment(line.at)}>
                  {stamp(line.at)}
                </time>
                <span>{line.level.toLowerCase()}</span>
                <span className="wrap">{line.message}</span>
              </li>
            ))}
          </ol>
        </section>
      )}
      {data?.length === TAIL && <p className="faint">The last {TAIL} lines.</p>}
    </Section>
  );
}

/** Whether lines can still arrive: a worker writes the last ones after the job has ended. */
function useIsGrowing(job: Job): boolean {
  const isRunning = !isFinal(job.status) && job.status !== "queued";
  const [isGrowing, setGrowing] = useState(isRunning || !isLongOver(job));
  useEffect(() => {
    if (isRunning) return setGrowing(true);
    const timer = setTimeout(() => setGrowing(false), LAST_LINES_MS);
    return () => clearTimeout(timer);
  }, [isRunning]);
  return isGrowing;
}

function isLongOver({ finished_at }: Job): boolean {
  return finished_at !== null && Date.now() - Date.parse(finished_at) > LAST_LINES_MS;
}

function isError(level: string): boolean {
  return ["error", "critical"].includes(level.toLowerCase());
}
