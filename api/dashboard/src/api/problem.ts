/** Errors of the service. */

import type { components } from "./schema.d.ts";

export type Problem = components["schemas"]["Problem"];

/** The service responded with a problem. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
    this.name = "ProblemError";
  }

  get status(): number {
    return this.problem.status;
  }
}

/** There was no response. */
export class UnreachableError extends Error {
  constructor() {
    super("The service is not reachable.");
    this.name = "UnreachableError";
  }
}

/** Return the problem in a response; for the response of a proxy, build one from its status. */
export function problemOf(
  body: unknown,
  response: Pick<Response, "status" | "statusText" | "url">,
): Problem {
  if (typeof body === "object" && body !== null && "detail" in body && "code" in body) {
    return body as Problem;
  }
  return {
    type: "about:blank",
    title: response.statusText || "Not a response of this service",
    status: response.status,
    code: "foreign_answer",
    detail: `${new URL(response.url).pathname}: status ${response.status}, in a response that is not from this service.`,
    retryable: response.status >= 500,
    instance: null,
    request_id: null,
    hint: null,
    errors: [],
  };
}

export type FieldProblem = NonNullable<Problem["errors"]>[number];

/** Return the problems by field, in words: `/sparsity` is the field `sparsity`. */
export function fieldProblems(
  error: unknown,
  inWords = ({ detail }: FieldProblem) => detail,
): Record<string, string> {
  if (!(error instanceof ProblemError)) return {};
  const found: Record<string, string> = {};
  for (const one of error.problem.errors ?? []) {
    const field = one.pointer.split("/").filter(Boolean)[0] ?? "";
    found[field] ??= inWords(one);
  }
  return found;
}

/** Return the problem of one field, which may be nested: `/quotas/gpu_hours`. */
export function problemAt(error: unknown, pointer: string): string | undefined {
  if (!(error instanceof ProblemError)) return undefined;
  return error.problem.errors?.find((one) => one.pointer === pointer)?.detail;
}
