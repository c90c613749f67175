import { type UseQueryResult, useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useState } from "react";
import { MissingCodeError } from "../ui/boundary.tsx";

/** What precedes any use of a page: printing it waits for no code. */
const USES = ["pointermove", "pointerdown", "keydown"];
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
    for (const use of USES) addEventListener(use, need);
    return () => {
      observer.disconnect();
      for (const use of USES) removeEventListener(use, need);
    };
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
