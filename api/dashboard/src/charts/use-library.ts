import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useState } from "react";
import { MissingCodeError } from "../ui/boundary.tsx";

/** Whether the page has been used, as before it is printed, which waits for no code. */
const used = new Promise((resolve) => {
  for (const use of ["pointermove", "pointerdown", "keydown"]) {
    globalThis.addEventListener?.(use, resolve, { once: true }); // tests of modules have none
  }
});
/** How far from the window a chart is loaded, in heights of the window. */
const NEAR = "50%";

/**
 * Load the code that draws charts, which is large, once a chart of the page is nearly in view or
 * the page is used.
 */
export function useLibrary(box: RefObject<HTMLElement | null>): UseQueryResult<Library> {
  const [isNeeded, setNeeded] = useState(false);
  useEffect(() => {
    if (isNeeded || box.current === null) return;
    const need = () => setNeeded(true);
    const seen = ([entry]: IntersectionObserverEntry[]) => entry?.isIntersecting && need();
    const observer = new IntersectionObserver(seen, { rootMargin: NEAR });
    observer.observe(box.current);
    used.then(need);
    return () => observer.disconnect();
  }, [isNeeded, box]);
  return useQuery({ ...library, enabled: isNeeded });
}

type Library = typeof import("./plot.ts");

/** All charts share it. */
const library = {
  queryKey: ["charts"],
  queryFn: () =>
    import("./plot.ts").catch((): Library => {
      throw new MissingCodeError();
    }),
  staleTime: Number.POSITIVE_INFINITY,
  retry: false,
  structuralSharing: false as const,
};
