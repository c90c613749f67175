import type { ReactNode } from "react";
import { ProblemError, UnreachableError } from "../api/problem.ts";
import { Icon } from "./icon.tsx";

/** Something is not there yet; the children say what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** Grey lines in the shape of what is coming, for those who wait longer than a moment. */
export function Loading({ what, lines = 5 }: { what: string; lines?: number }) {
  return (
    <div className="loading" role="status">
      <span className="unseen">Loading {what}</span>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike
        <div key={line} className="ghost" aria-hidden="true" />
      ))}
    </div>
  );
}

/** What went wrong and what to do next, in the service's words. */
export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { title, detail, hint, trace } = worded(error);
  return (
    <div className="note is-failed" role="alert">
      <Icon name="warning" />
      <div>
        <strong>{title}</strong>
        <p>{detail}</p>
        {hint && !detail.includes(hint) && <p>{hint}</p>}
        {trace && <p className="faint">{trace}</p>}
        {retry && (
          <button type="button" onClick={retry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

interface Words {
  title: string;
  detail: string;
  hint?: string | null;
  trace?: string;
}

function worded(error: unknown): Words {
  if (error instanceof ProblemError) {
    const { title, detail, hint, request_id } = error.problem;
    return { title, detail, hint, trace: request_id ? `Request ${request_id}` : undefined };
  }
  if (error instanceof UnreachableError) {
    return {
      title: "The service does not answer",
      detail: "It may be restarting, or this machine may have lost its network.",
      hint: "This page goes on by itself as soon as the service is back.",
    };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return {
    title: "This page made a mistake",
    detail,
    hint: "Reload it; if that does not help, tell whoever runs the service.",
  };
}

export function Warning({ children }: { children: ReactNode }) {
  return (
    <div className="note is-paused">
      <Icon name="warning" />
      <div>{children}</div>
    </div>
  );
}
