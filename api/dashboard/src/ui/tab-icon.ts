import { useEffect } from "react";

const SIZE = 32;
const RADIUS = 12;
const LENGTH = 2 * Math.PI * RADIUS;

/** The colours of an icon, readable on light and dark tabs. */
const COLOURS: Record<string, string> = {
  succeeded: "#2c8a4b",
  failed: "#d0443b",
  expired: "#d0443b",
  cancelled: "#8a6d4d",
  paused: "#b98211",
};
const RUNNING = "#2f7fd6";

/** Draws a job's progress as the icon of the tab while the page is open. */
export function useTabIcon(status: string, share: number): void {
  const percent = Math.round(share * 100);
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (!link) return;
    const former = link.href;
    link.href = iconOf(status, percent / 100);
    return () => {
      link.href = former;
    };
  }, [status, percent]);
}

/** Return a ring that is filled by a share; whole, and in the status's colour, at the end. */
export function iconOf(status: string, share: number): string {
  const colour = COLOURS[status] ?? RUNNING;
  const filled = status in COLOURS && status !== "paused" ? 1 : share;
  const ring = `cx="16" cy="16" r="${RADIUS}" fill="none" stroke-width="7"`;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE} ${SIZE}">` +
    `<circle ${ring} stroke="#8a8f94" stroke-opacity=".4"/>` +
    `<circle ${ring} stroke="${colour}" stroke-dasharray="${filled * LENGTH} ${LENGTH}" transform="rotate(-90 16 16)"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
