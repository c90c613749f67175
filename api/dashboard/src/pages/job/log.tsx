import { useQuery } from "@tanstack/react-query";
import { type UIEvent, useEffect, useRef, useState } from "react";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";
import { jobLogs, LEVELS, type Level, TAIL } from "../../api/logs.ts";
import { clock, moment } from "../../format.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";

const EVERY_MS = 2000;
const LAST_LINES_MS = 10_000;
const AT_END_PX = 8;

/** The newest lines of the log, which it follows until one scrolls up. */
export function Log({ job }: { job: Job }) {
  const [level, setLevel] = useState<Level>("info");
  const [follows, follow] = useState(true);
  const { data, error, refetch } = useQuery({
    ...jobLogs(job.id, level),
    refetchInterval: useGrows(job) && EVERY_MS,
  });
  const box = useRef<HTMLElement>(null);
  const last = data?.at(-1)?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last line is what to follow
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
          {data?.some((line) => isGrave(line.level)) && (
            <button type="button" className="small" onClick={jump}>
              To the first error
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
            <span className="unseen">At least as grave as</span>
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
          // biome-ignore lint/a11y/noNoninteractiveTabindex: without it arrow keys never get here
          tabIndex={0}
        >
          <ol>
            {data.map((line) => (
              <li key={line.id} className={isGrave(line.level) ? "is-error" : ""}>
                <time className="faint" dateTime={line.at} title={moment(line.at)}>
                  {clock(line.at)}
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

/** Whether lines may still come: a worker writes an attempt's last ones after it has said its end. */
function useGrows(job: Job): boolean {
  const isAtWork = !isFinal(job.status) && job.status !== "queued";
  const [grows, set] = useState(true);
  useEffect(() => {
    set(true);
    if (isAtWork) return;
    const timer = setTimeout(() => set(false), LAST_LINES_MS);
    return () => clearTimeout(timer);
  }, [isAtWork]);
  return grows;
}

function isGrave(level: string): boolean {
  return ["error", "critical"].includes(level.toLowerCase());
}
