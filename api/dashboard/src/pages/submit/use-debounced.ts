import { useEffect, useState } from "react";

const DELAY_MS = 350;

/** Return a text as it was at the last pause in typing. */
export function useDebounced(text: string): string {
  const [debounced, setDebounced] = useState("null");
  useEffect(() => {
    const timer = setTimeout(() => setDebounced(text), DELAY_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return debounced;
}
