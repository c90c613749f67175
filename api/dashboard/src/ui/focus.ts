/** Moves the focus with the change that calls for it: a key pressed right after it must not be lost. */

import { type RefObject, useLayoutEffect } from "react";
import { flushSync } from "react-dom";

/**
 * Focus an element when it is first shown, and again whenever `reason` changes.
 *
 * An effect after the paint would be too late: it would take the focus from a field into which
 * somebody types already.
 */
export function useFocus(element: RefObject<HTMLElement | null>, reason: unknown = null): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the reason is a dependency on purpose
  useLayoutEffect(() => element.current?.focus(), [reason]);
}

/** Add a line to a list of fields, and focus its first one. */
export function addLine(list: RefObject<HTMLElement | null>, add: () => void): void {
  flushSync(add);
  list.current?.querySelector<HTMLInputElement>("li:last-child input")?.focus();
}
