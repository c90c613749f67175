/** The columns that are shown, which this browser keeps. */

import { useCallback, useState } from "react";
import { readStored, store } from "../../../storage.ts";
import { COLUMNS } from "./columns.tsx";

const KEY = "zpruner.job-columns";

export type Shown = Record<string, boolean>;

export function useColumns(): [Shown, (shown: Shown) => void] {
  const [shown, set] = useState(() => shownOf(readStored(KEY)?.split(",")));
  const change = useCallback((next: Shown) => {
    store(KEY, namesOf(next).join(","));
    set(next);
  }, []);
  return [shown, change];
}

/** Return which columns are shown, by default if no names are given. */
export function shownOf(names: string[] | undefined): Shown {
  return Object.fromEntries(
    COLUMNS.map(({ id, isShown }) => [id, id === "name" || (names?.includes(id) ?? isShown)]),
  );
}

export function namesOf(shown: Shown): string[] {
  return COLUMNS.map(({ id }) => id).filter((id) => shown[id]);
}
