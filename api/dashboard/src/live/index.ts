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
  onAnswer(() => live.heard(Date.now()));
  onKeyChange(() => {
    queries.clear();
    line.restart();
  });
  startPolling(queries, live);
  line.start();
}

export function useLive(): LiveState {
  return useSyncExternalStore(live.subscribe, live.get);
}
