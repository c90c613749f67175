import { type ReactNode, useEffect, useRef } from "react";

/** Where the last heading was, and whether a link has led anywhere since the window was opened. */
let lastPath = location.pathname;
let hasMoved = false;

/** A page's heading: names the tab, and takes the focus when a link led here. */
export function Title({ text, children }: { text: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${text} · Z-Pruner`;
  }, [text]);
  useEffect(() => {
    const isNew = location.pathname !== lastPath;
    lastPath = location.pathname;
    hasMoved ||= isNew;
    // The heading of a page that is still loading goes, and the focus with it.
    const isLost = hasMoved && document.activeElement === document.body;
    if (isNew || isLost) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? text}
    </h1>
  );
}
