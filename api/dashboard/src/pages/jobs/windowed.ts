/** Which rows of a long list are near the screen; the others are only space. */

import { type RefObject, useEffect, useState } from "react";

const SPARE_ROWS = 8;

export interface Window {
  first: number;
  /** One past the last. */
  end: number;
}

export function windowOf(top: number, height: number, row: number, count: number): Window {
  const first = Math.max(0, Math.floor(top / row) - SPARE_ROWS);
  const end = Math.min(count, Math.ceil((top + height) / row) + SPARE_ROWS);
  return { first: Math.min(first, count), end: Math.max(end, Math.min(first, count)) };
}

/** Follow the page's scrolling; rows are all as high as `--row-height` of the list says. */
export function useWindowed(list: RefObject<HTMLElement | null>, count: number) {
  const [{ first, end, row }, set] = useState({ first: 0, end: Math.min(count, 30), row: 64 });
  useEffect(() => {
    const look = () => {
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
    look();
    window.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    return () => {
      window.removeEventListener("scroll", look);
      window.removeEventListener("resize", look);
    };
  }, [list, count]);
  return { first, end, above: first * row, below: Math.max(0, count - end) * row };
}
