/** What went wrong, in the service's own words. */

import type { components } from "./schema.d.ts";

export type Problem = components["schemas"]["Problem"];

/** The service refused. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
    this.name = "ProblemError";
  }

  get status(): number {
    return this.problem.status;
  }
}

/** No answer came at all. */
export class UnreachableError extends Error {
  constructor() {
    super("The service does not answer.");
    this.name = "UnreachableError";
  }
}

/** Return the problem an answer holds; one made of its status where a proxy answered instead. */
export function problemOf(body: unknown, response: Response): Problem {
  if (typeof body === "object" && body !== null && "detail" in body && "code" in body) {
    return body as Problem;
  }
  return {
    type: "about:blank",
    title: response.statusText || "Not an answer of this service",
    status: response.status,
    code: "foreign_answer",
    detail: `${new URL(response.url).pathname} answered ${response.status}, and not in this service's words.`,
    retryable: response.status >= 500,
    instance: null,
    request_id: null,
    hint: null,
    errors: [],
  };
}

/** Refused fields by name: `/sparsity` is the field `sparsity`. */
export function fieldProblems(error: unknown): Record<string, string> {
  if (!(error instanceof ProblemError)) return {};
  const found: Record<string, string> = {};
  for (const one of error.problem.errors ?? []) {
    const field = one.pointer.split("/").filter(Boolean)[0] ?? "";
    found[field] ??= one.detail;
  }
  return found;
}

/** What is said of one field, however deep it lies: `/quotas/gpu_hours`. */
export function problemAt(error: unknown, pointer: string): string | undefined {
  if (!(error instanceof ProblemError)) return undefined;
  return error.problem.errors?.find((one) => one.pointer === pointer)?.detail;
}
