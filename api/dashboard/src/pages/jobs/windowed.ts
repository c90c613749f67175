/** Virtual scrolling: only the rows near the viewport are rendered. */

import { type RefObject, useEffect, useState } from "react";

const OVERSCAN_ROWS = 8;

export interface Window {
  first: number;
  /** The index after the last row. */
  end: number;
}

export function windowOf(top: number, height: number, row: number, count: number): Window {
  const first = Math.max(0, Math.floor(top / row) - OVERSCAN_ROWS);
  const end = Math.min(count, Math.ceil((top + height) / row) + OVERSCAN_ROWS);
  return { first: Math.min(first, count), end: Math.max(end, Math.min(first, count)) };
}

/** Return the rendered rows while the page scrolls; every row has the height `--row-height`. */
export function useWindowed(list: RefObject<HTMLElement | null>, count: number) {
  const [{ first, end, row }, set] = useState({ first: 0, end: Math.min(count, 30), row: 64 });
  useEffect(() => {
    const update = () => {
      if (!list.current) return;
      const height = Number.parseFloat(
        getComputedStyle(list.current).getPropertyValue("--row-height"),
      );
      const top = -list.current.getBoundingClientRect().top;
      const next = { ...windowOf(top, window.innerHeight, height, count), row: height };
      set((old) =>
        old.first === next.first && old.end === next.end && old.row === height ? old : next,
      );
    };
    update();
    window.addEventListener("scroll", update, { passive: true });
    window.addEventListener("resize", update);
    return () => {
      window.removeEventListener("scroll", update);
      window.removeEventListener("resize", update);
    };
  }, [list, count]);
  return { first, end, above: first * row, below: Math.max(0, count - end) * row };
}
