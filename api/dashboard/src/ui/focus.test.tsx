import { useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { afterEach, beforeEach, expect, it } from "vitest";
import { addLine, useFocus } from "./focus.ts";
import { keepFocus } from "./kept-focus.ts";

function Editor() {
  const [isOpen, open] = useState(false);
  if (isOpen) return <Form />;
  return (
    <button type="button" id="edit" onClick={() => open(true)}>
      Edit
    </button>
  );
}

function Form() {
  const name = useRef<HTMLInputElement>(null);
  const lines = useRef<HTMLUListElement>(null);
  const [labels, setLabels] = useState<number[]>([]);
  useFocus(name);
  return (
    <form>
      <input id="name" ref={name} />
      <input id="priority" />
      <ul ref={lines}>
        {labels.map((label) => (
          <li key={label}>
            <input id={`label-${label}`} />
          </li>
        ))}
      </ul>
      <button
        type="button"
        id="add"
        onClick={() => addLine(lines, () => setLabels([...labels, labels.length]))}
      >
        Add a label
      </button>
    </form>
  );
}

const byId = (id: string) => document.getElementById(id);
const focused = () => document.activeElement?.id;
let stops: (() => void)[];

beforeEach(() => {
  const box = document.createElement("div");
  document.body.replaceChildren(box);
  const root = createRoot(box);
  root.render(<Editor />);
  stops = [keepFocus(), () => root.unmount()];
});
afterEach(() => {
  for (const stop of stops) stop();
});

// Without `act` of the test tools, which would run late effects at once.
it("takes the focus once, so that the field that is used next keeps it", async () => {
  byId("edit")?.focus();
  byId("edit")?.click();
  await expect.poll(focused, { interval: 1 }).toBe("name");
  byId("priority")?.focus();
  await new Promise((done) => setTimeout(done, 80));
  expect(focused()).toBe("priority");
});

it("focuses a new line before the next key is pressed", async () => {
  byId("edit")?.click();
  await expect.poll(() => byId("add")).not.toBeNull();
  byId("add")?.click();
  expect(focused()).toBe("label-0");
});
