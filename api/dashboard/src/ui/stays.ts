import { useEffect, useState } from "react";

const STAYS_MS = 250;

/** Whether a component has been shown for a moment: what is scrolled past sends no requests. */
export function useStays(): boolean {
  const [stays, setStays] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setStays(true), STAYS_MS);
    return () => clearTimeout(timer);
  }, []);
  return stays;
}
