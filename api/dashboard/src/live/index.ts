/** Connects the stream, the cache and the badge. */

import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { apply, catchUp } from "../api/cache.ts";
import { onAnswer } from "../api/client.ts";
import { onKeyChange } from "../api/key.ts";
import { Line } from "./line.ts";
import { startPolling } from "./poller.ts";
import { type LiveState, live } from "./state.ts";

export function goLive(queries: QueryClient): void {
  const line = new Line(live, {
    event: (event) => apply(queries, event),
    gap: () => void catchUp(queries),
  });
  onAnswer({ heard: () => live.heard(Date.now()), refused: () => line.signOut() });
  onKeyChange((key) => {
    // Whoever signs out leaves nothing on the page; whoever signs in again goes on with it.
    if (key === null) return location.reload();
    queries.invalidateQueries();
    line.restart();
  });
  startPolling(queries, live);
  line.start();
}

export function useLive(): LiveState {
  return useSyncExternalStore(live.subscribe, live.get);
}
