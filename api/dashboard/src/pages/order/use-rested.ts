import { useEffect, useState } from "react";

const REST_MS = 350;

/** Return a text as it was when the typing last rested. */
export function useRested(text: string): string {
  const [rested, setRested] = useState("null");
  useEffect(() => {
    const timer = setTimeout(() => setRested(text), REST_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return rested;
}
