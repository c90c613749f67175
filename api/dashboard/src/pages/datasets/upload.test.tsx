import { act } from "preact/test-utils";
import { beforeEach, expect, it, vi } from "vitest";
import { mount, settle } from "../../testing-page.tsx";
import { listing, service } from "../../testing-service.ts";
import { Upload } from "./upload.tsx";

/** Requests that are sent, and wait for a response. */
const sent: FakeUpload[] = [];

class FakeUpload {
  upload = {};
  status = 201;
  responseText = JSON.stringify({ id: "dat_1" });
  onload = () => {};
  open() {}
  setRequestHeader() {}
  send() {
    sent.push(this);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("XMLHttpRequest", FakeUpload);
  sent.length = 0;
  service.reply = ({ pathname }) =>
    pathname === "/v1/me" ? [200, { scopes: ["jobs:write"] }] : listing([]);
  history.replaceState(null, "", "/datasets");
});

async function drop(box: HTMLElement, name: string): Promise<void> {
  const event = new Event("drop", { bubbles: true });
  Object.assign(event, { dataTransfer: { files: [new File(["text"], name)] } });
  act(() => void box.querySelector(".drop")?.dispatchEvent(event));
  await settle();
}

it("shows the dataset, and takes no second file before that", async () => {
  const { box, unmount } = await mount(<Upload />);
  await drop(box, "a.txt");
  await drop(box, "b.txt");
  expect(sent.length).toBe(1);
  expect(box.querySelector("[role=status]")?.textContent).toContain("a.txt");
  sent[0]?.onload();
  await settle();
  expect(location.pathname).toBe("/datasets/dat_1");
  await unmount();
});

it("leaves no other page, to which the reader has gone during the upload", async () => {
  const { box, unmount } = await mount(<Upload />);
  await drop(box, "a.txt");
  await unmount();
  history.replaceState(null, "", "/new");
  sent[0]?.onload();
  await settle();
  expect(location.pathname).toBe("/new");
});
