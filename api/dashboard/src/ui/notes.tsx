import type { ReactNode } from "react";
import { ProblemError, UnreachableError } from "../api/problem.ts";
import { Icon } from "./icon.tsx";

/** An empty state; the children say what to do. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** A placeholder of grey lines while data is loading. */
export function Loading({ what, lines = 5 }: { what: string; lines?: number }) {
  return (
    <div className="loading" role="status">
      <span className="unseen">Loading {what}</span>
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are identical
        <div key={line} className="ghost" aria-hidden="true" />
      ))}
    </div>
  );
}

/** An error and its remedy. */
export function ErrorNote({ error, retry }: { error: unknown; retry?: () => void }) {
  const { title, detail, hint, trace } = messageOf(error);
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

interface Message {
  title: string;
  detail: string;
  hint?: string | null;
  trace?: string;
}

function messageOf(error: unknown): Message {
  if (error instanceof ProblemError) {
    const { title, detail, hint, request_id } = error.problem;
    return { title, detail, hint, trace: request_id ? `Request ${request_id}` : undefined };
  }
  if (error instanceof UnreachableError) {
    return {
      title: "The service is not reachable",
      detail: "It may be restarting, or this computer may be offline.",
      hint: "The page continues when the service is back.",
    };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return {
    title: "This page has failed",
    detail,
    hint: "Reload the page. If that does not help, contact the operator of the service.",
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
