import { useSyncExternalStore } from "react";

/** Below this width, a row is a card of several lines; `jobs.css` has the same. */
const CARDS = "(max-width: 48rem)";
const ROW_PX = 36;
const CARD_PX = 104;

export function useRowHeight(): number {
  return useSyncExternalStore(subscribe, () => (matchMedia(CARDS).matches ? CARD_PX : ROW_PX));
}

function subscribe(listener: () => void): () => void {
  const query = matchMedia(CARDS);
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}
