/** The one way to the service: typed by its own OpenAPI document. */

import createClient, { type Middleware } from "openapi-fetch";
import { authorization } from "./key.ts";
import { ProblemError, problemOf, UnreachableError } from "./problem.ts";
import type { components, paths } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Job = Schemas["JobRead"];
export type Spec = Schemas["PruneSpec"];
export type JobRequest = Schemas["JobRequest"];
export type Preview = Schemas["JobPreview"];
export type JobEvent = Schemas["EventRead"];
export type Artifact = Schemas["ArtifactRead"];
export type Method = Schemas["MethodRead"];
export type Status = Schemas["JobState"];
export type Phase = Schemas["Phase"];

export interface Answers {
  /** The service has just answered. */
  heard(): void;
  /** It does not take the key that this browser has, or wants one. */
  refused(): void;
}

let answers: Answers = { heard() {}, refused() {} };

/** Name who wants to know of every answer. */
export function onAnswer(tell: Answers): void {
  answers = tell;
}

/** What a proxy says for a service that is not there. */
const ABSENT = new Set([502, 503, 504]);

function note(status: number, key: string | null): void {
  if (!ABSENT.has(status)) answers.heard();
  // An answer to a former key says nothing of the one that there is now.
  if (status === 401 && key === (authorization().authorization ?? null)) answers.refused();
}

const attended: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
  },
  onResponse({ request, response }) {
    note(response.status, request.headers.get("authorization"));
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === "AbortError"
      ? error
      : new UnreachableError();
  },
};

// What an event told of must not be answered from before it.
export const api = createClient<paths>({ cache: "no-cache" });
api.use(attended);

interface Answer {
  data?: unknown;
  error?: unknown;
  response: Response;
}

/** Return what was asked for, or throw the service's own problem. */
export async function ask<A extends Answer>(asked: Promise<A>): Promise<NonNullable<A["data"]>> {
  const { data, error, response } = await asked;
  if (!response.ok) throw new ProblemError(problemOf(error, response));
  return data as NonNullable<A["data"]>;
}

/** Return a file, for a service that wants its key in a header. */
export async function fetchFile(url: string, signal?: AbortSignal): Promise<Response> {
  const headers = authorization();
  const response = await fetch(url, { headers, signal }).catch(() => {
    throw new UnreachableError();
  });
  note(response.status, headers.authorization ?? null);
  if (response.ok) return response;
  throw new ProblemError(problemOf(await response.json().catch(() => null), response));
}
