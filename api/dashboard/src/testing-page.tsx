/** Mounts a page for tests that begin with `vi.useFakeTimers()`. */

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act } from "preact/test-utils";
import type { ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { vi } from "vitest";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });
// happy-dom has no canvas: whatever is drawn is ignored.
const context = new Proxy({}, { get: () => () => ({}), set: () => true });
Object.assign(globalThis, {
  Path2D: function Path() {
    return context;
  },
});
Object.assign(HTMLCanvasElement.prototype, { getContext: () => context });

export interface Shown {
  box: HTMLElement;
  queries: QueryClient;
  show: (page: ReactNode) => Promise<void>;
  unmount: () => Promise<void>;
}

export async function mount(page: ReactNode): Promise<Shown> {
  const queries = new QueryClient({
    defaultOptions: { queries: { retry: false, staleTime: 5000, refetchOnWindowFocus: false } },
  });
  const box = document.createElement("div");
  document.body.append(box);
  const root = createRoot(box);
  const show = async (next: ReactNode) => {
    act(() => root.render(<QueryClientProvider client={queries}>{next}</QueryClientProvider>));
    await settle();
  };
  await show(page);
  return { box, queries, show, unmount: async () => act(() => root.unmount()) };
}

const STEPS = 5; // an effect that sends a request runs at the end of a step, its response in the next

/** Advance the time and run all timers and effects. */
export async function settle(ms = 50): Promise<void> {
  for (let step = 0; step < STEPS; step += 1) {
    await act(async () => {
      await vi.advanceTimersByTimeAsync(ms / STEPS);
    });
  }
}

export async function press(element: Element | undefined | null): Promise<void> {
  if (!(element instanceof HTMLElement)) throw new Error("There is no element to press.");
  act(() => element.click());
  await settle();
}

/** Type a text into an input so that React notices it. */
export async function type(element: Element | undefined | null, text: string): Promise<void> {
  if (!element) throw new Error("There is no input.");
  const value = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(element), "value");
  act(() => {
    value?.set?.call(element, text);
    element.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await settle();
}

/** Choose an option so that React notices it. */
export async function choose(element: Element | undefined | null, option: string): Promise<void> {
  if (!(element instanceof HTMLSelectElement)) throw new Error("There is no select.");
  act(() => {
    element.value = option;
    element.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await settle();
}

/** Find the button with this text. */
export function button(box: ParentNode, text: string): HTMLButtonElement | undefined {
  return [...box.querySelectorAll("button")].find((one) => one.textContent?.includes(text));
}

/** Find the input, select or text area with this label. */
export function field(box: ParentNode, label: string): Element | null | undefined {
  const found = [...box.querySelectorAll("label")].find((one) => one.textContent?.trim() === label);
  return found && document.getElementById(found.htmlFor);
}
