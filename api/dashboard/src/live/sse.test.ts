import { expect, it } from "vitest";
import { type Frame, frames, Parser } from "./sse.ts";

const TEXT = 'retry: 2000\n\n: ping\n\nid: 7\nevent: progress\ndata: {"a":\ndata: 1}\n\ndata:x\n\n';
const WANTED: Frame[] = [
  { event: "progress", data: '{"a":\n1}', id: "7" },
  { event: "message", data: "x", id: "7" },
];

it("parses the same frames however the bytes are split", () => {
  for (let size = 1; size <= TEXT.length; size += 1) {
    const parser = new Parser();
    const found: Frame[] = [];
    for (let at = 0; at < TEXT.length; at += size) {
      found.push(...parser.feed(TEXT.slice(at, at + size)));
    }
    expect(found).toEqual(WANTED);
  }
});

it("accepts all three line ends", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const parser = new Parser();
    const text = TEXT.replaceAll("\n", end);
    expect([...parser.feed(`${text}data: tail`)]).toEqual(WANTED);
  }
});

it("reports pings, which are no frames", async () => {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(": ping\n\n"));
      controller.enqueue(new TextEncoder().encode("data: é\n\n"));
      controller.close();
    },
  });
  let received = 0;
  const found = [];
  for await (const frame of frames(body, () => received++)) found.push(frame.data);
  expect(found).toEqual(["é"]);
  expect(received).toBeGreaterThanOrEqual(1);
});
