import { useEffect, useId, useRef } from "react";

/** Rows that `j` and `k` move through. */
const ROWS = "main [data-row], main .job-row";
const SEARCH = "main input[type=search]";

const SHORTCUTS: [key: string, action: string][] = [
  ["/", "search"],
  ["j", "next row"],
  ["k", "previous row"],
  ["Enter", "open the row"],
  ["x", "select the row"],
  ["?", "show these keys"],
];

/** Shortcuts of the keyboard, and a dialog that lists them. */
export function Shortcuts() {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event) || document.querySelector("dialog[open]")) return;
      if (event.key === "?") dialog.current?.showModal();
      else if (!act(event.key)) return;
      event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id}>
      <h2 id={id}>Keys</h2>
      <dl className="shortcuts">
        {SHORTCUTS.map(([key, action]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{action}</dd>
          </div>
        ))}
      </dl>
      <button type="button" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  );
}

function isTyping({ target, ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  const isInput =
    target instanceof HTMLElement &&
    target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  return isInput || ctrlKey || metaKey || altKey;
}

/** Do what a key stands for; return whether it stands for anything here. */
function act(key: string): boolean {
  if (key === "/") return focus(document.querySelector<HTMLElement>(SEARCH));
  if (key === "j") return move(1);
  if (key === "k") return move(-1);
  if (key !== "x") return false;
  const box = current()?.querySelector<HTMLInputElement>("input[type=checkbox]");
  box?.click();
  return box != null;
}

function current(): Element | null | undefined {
  return document.activeElement?.closest(ROWS);
}

function move(by: number): boolean {
  const rows = [...document.querySelectorAll(ROWS)];
  const from = rows.indexOf(current() as Element);
  const row = rows[from === -1 ? 0 : Math.max(0, Math.min(rows.length - 1, from + by))];
  return focus(row?.querySelector<HTMLElement>("a[href], button"));
}

function focus(element: HTMLElement | null | undefined): boolean {
  element?.focus();
  element?.scrollIntoView({ block: "nearest" });
  return element != null;
}
