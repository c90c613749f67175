/** The typed client of the API; its types come from the OpenAPI document. */

import createClient, { type Middleware } from "openapi-fetch";
import { authorization } from "./key.ts";
import { ProblemError, problemOf, UnreachableError } from "./problem.ts";
import type { components, paths } from "./schema.d.ts";

type Schemas = components["schemas"];
export type Job = Schemas["JobRead"] & Partial<Pick<Schemas["JobDetail"], "cost">>;
export type Spec = Schemas["PruneSpec"];
export type JobRequest = Schemas["JobRequest"];
export type Preview = Schemas["JobPreview"];
export type JobEvent = Schemas["EventRead"];
export type Artifact = Schemas["ArtifactRead"];
export type Method = Schemas["MethodRead"];
export type Status = Schemas["JobState"];
export type Phase = Schemas["Phase"];

export interface ResponseListener {
  /** The service has responded. */
  responded(): void;
  /** The service requires an API key, or has refused this one. */
  unauthorized(): void;
}

let listener: ResponseListener = { responded() {}, unauthorized() {} };

export function setResponseListener(next: ResponseListener): void {
  listener = next;
}

/** A proxy responds with these when the service is not running. */
const PROXY_ERRORS = new Set([502, 503, 504]);

function report(status: number, key: string | null): void {
  if (!PROXY_ERRORS.has(status)) listener.responded();
  // A response to a request with a former key does not concern the present one.
  if (status === 401 && key === (authorization().authorization ?? null)) listener.unauthorized();
}

const middleware: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
  },
  onResponse({ request, response }) {
    report(response.status, request.headers.get("authorization"));
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === "AbortError"
      ? error
      : new UnreachableError();
  },
};

// After an event, a cached response would be older than the event.
export const api = createClient<paths>({ cache: "no-cache" });
api.use(middleware);

interface Result {
  data?: unknown;
  error?: unknown;
  response: Response;
}

/** Return a response's data, or throw the service's problem. */
export async function unwrap<R extends Result>(
  pending: Promise<R>,
): Promise<NonNullable<R["data"]>> {
  const { data, error, response } = await pending;
  if (!response.ok) throw new ProblemError(problemOf(error, response));
  return data as NonNullable<R["data"]>;
}

/** Fetch a file with the API key in a header. */
export async function fetchFile(url: string, signal?: AbortSignal): Promise<Response> {
  const headers = authorization();
  const response = await fetch(url, { headers, signal }).catch(() => {
    throw new UnreachableError();
  });
  report(response.status, headers.authorization ?? null);
  if (response.ok) return response;
  throw new ProblemError(problemOf(await response.json().catch(() => null), response));
}
