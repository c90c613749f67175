/** Parses server-sent events; `EventSource` cannot send an API key and hides pings. */

export interface Frame {
  event: string;
  data: string;
  id: string | null;
}

/** Yield all frames; call `onBytes` for all bytes, comments included. */
export async function* frames(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<Frame> {
  const reader = body.pipeThrough(new TextDecoderStream() as never).getReader();
  const parser = new Parser();
  try {
    for (;;) {
      const { done, value } = (await reader.read()) as { done: boolean; value?: string };
      if (done) return;
      onBytes();
      yield* parser.feed(value ?? "");
    }
  } finally {
    await reader.cancel().catch(() => {}); // it is already closed, or the connection is lost
  }
}

/** An incremental parser: a frame may arrive in several chunks. */
export class Parser {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id: string | null = null;

  *feed(text: string): Generator<Frame> {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") yield* this.#finishFrame();
      else this.#parseField(line);
    }
  }

  #parseField(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id") this.#id = value;
  }

  *#finishFrame(): Generator<Frame> {
    if (this.#data.length > 0) {
      yield { event: this.#event || "message", data: this.#data.join("\n"), id: this.#id };
    }
    this.#event = "";
    this.#data = [];
  }
}
