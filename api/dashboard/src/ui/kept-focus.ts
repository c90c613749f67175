/** Returns the focus when the control that has it is removed, or was disabled for a while. */

const CONTROLS = ["a[href]", "button", "input", "select", "textarea", "summary", "[tabindex]"]
  .map((control) => `${control}:not([disabled])`)
  .join(", ");
/** Rows of a table may leave it because they are scrolled away. */
const ROWS = "table, tbody";

export function keepFocus(): () => void {
  let last: HTMLElement | null = null;
  let around: HTMLElement[] = [];
  const note = ({ target }: Event) => {
    last = target as HTMLElement;
    around = [];
    for (let one = last.parentElement; one; one = one.parentElement) around.push(one);
  };
  /** A click beside all controls takes the focus away on purpose. */
  const forget = ({ target }: Event) => {
    if (!last?.contains(target as Node)) last = null;
  };
  const restore = () => {
    if (last === null || document.activeElement !== document.body) return;
    if (last.isConnected) return focusOn(last);
    const places = around.filter((one) => one.isConnected && !one.matches(ROWS));
    for (const place of places) {
      for (const control of [place, ...place.querySelectorAll<HTMLElement>(CONTROLS)]) {
        if (control.matches(CONTROLS) && focusOn(control)) return;
      }
    }
  };
  const observer = new MutationObserver(restore);
  observer.observe(document.body, {
    ...{ childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] },
  });
  document.addEventListener("focusin", note);
  document.addEventListener("pointerdown", forget);
  return () => {
    observer.disconnect();
    document.removeEventListener("focusin", note);
    document.removeEventListener("pointerdown", forget);
  };
}

/** Focus a control; return whether it could take the focus, which hidden ones cannot. */
function focusOn(control: HTMLElement): boolean {
  control.focus({ preventScroll: true });
  return document.activeElement === control;
}
