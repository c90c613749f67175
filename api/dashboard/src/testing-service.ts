/** A fake service for tests of pages: it records requests and sends the given responses. */

export type Answer = [status: number, body: unknown];

export const service = {
  /** Path and query of every request so far. */
  asked: [] as string[],
  reply: (_url: URL, _request: Request): Answer | Promise<Answer> => refusal(404),
  /** Count the requests whose path contains a text. */
  count: (part: string) => service.asked.filter((one) => one.includes(part)).length,
};

/** Return a problem document. */
export function refusal(status: number): Answer {
  const problem = {
    type: "about:blank",
    title: `Refused ${status}`,
    code: "refused",
    detail: "No.",
  };
  return [status, { ...problem, status, retryable: false, errors: [] }];
}

/** Return one page of a list. */
export function listing(data: unknown[], more: object = {}): Answer {
  return [200, { data, next_cursor: null, has_more: false, ...more }];
}

// Replace `fetch` before a module is imported that stores it.
globalThis.fetch = async (asked) => {
  const request = asked instanceof Request ? asked : new Request(new URL(String(asked), origin()));
  const url = new URL(request.url);
  service.asked.push(url.pathname + url.search);
  const [status, body] = await service.reply(url, request);
  return new Response(JSON.stringify(body), { status });
};

// Tests of modules have no window, but import modules that listen to it.
globalThis.addEventListener ??= () => undefined;

function origin(): string {
  return globalThis.location?.href ?? "http://localhost/";
}
