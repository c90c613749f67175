import { type RefCallback, useCallback, useState } from "react";

/** Return a chart's width in pixels, so that its text is not scaled. */
export function useWidth(first: number): [RefCallback<HTMLElement>, number] {
  const [width, setWidth] = useState(first);
  const observe = useCallback((box: HTMLElement) => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) setWidth(Math.round(entry.contentRect.width));
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  return [observe, width];
}
