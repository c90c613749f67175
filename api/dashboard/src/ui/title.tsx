import { useIsRestoring } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";

/** The path of the last heading, and whether a link has been followed since the page was loaded. */
let lastPath = location.pathname;
let hasMoved = false;

/** A page's heading; it sets the tab's title, and takes the focus after navigation. */
export function Title({ text, children }: { text: string; children?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const isSuspended = useIsRestoring(); // the sign-in page is shown instead
  useEffect(() => {
    if (!isSuspended) document.title = `${text} · Z-Pruner`;
  }, [text, isSuspended]);
  useEffect(() => {
    const isNew = location.pathname !== lastPath;
    lastPath = location.pathname;
    hasMoved ||= isNew;
    // The heading of the loading page is removed, and the focus with it.
    const isLost = hasMoved && document.activeElement === document.body;
    if (isNew || isLost) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? text}
    </h1>
  );
}
