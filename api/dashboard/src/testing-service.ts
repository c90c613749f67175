/** A service for tests of whole pages: it notes what it is asked, and answers as it is told. */

export type Answer = [status: number, body: unknown];

export const service = {
  /** Path and query of every request so far. */
  asked: [] as string[],
  reply: (_url: URL, _request: Request): Answer | Promise<Answer> => refusal(404),
  /** How often a path was asked for. */
  count: (part: string) => service.asked.filter((one) => one.includes(part)).length,
};

/** A problem as the service words it. */
export function refusal(status: number): Answer {
  const words = { type: "about:blank", title: `Refused ${status}`, code: "refused", detail: "No." };
  return [status, { ...words, status, retryable: false, errors: [] }];
}

/** One page of a list. */
export function listing(data: unknown[], more: object = {}): Answer {
  return [200, { data, next_cursor: null, has_more: false, ...more }];
}

// Before anything is imported that keeps `fetch` as it finds it.
globalThis.fetch = async (asked) => {
  const request = asked instanceof Request ? asked : new Request(new URL(String(asked), origin()));
  const url = new URL(request.url);
  service.asked.push(url.pathname + url.search);
  const [status, body] = await service.reply(url, request);
  return new Response(JSON.stringify(body), { status });
};

function origin(): string {
  return globalThis.location?.href ?? "http://localhost/";
}
