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
export type Facets = Schemas["Facets"];

let heard: () => void = () => {};

/** Name who wants to know that the service has just answered. */
export function onAnswer(tell: () => void): void {
  heard = tell;
}

const attended: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
  },
  onResponse() {
    heard();
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
  const response = await fetch(url, { headers: authorization(), signal }).catch(() => {
    throw new UnreachableError();
  });
  if (response.ok) return response;
  throw new ProblemError(problemOf(await response.json().catch(() => null), response));
}
