/** Connects the event stream to the query cache and the live badge. */

import { focusManager, type QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { applyEvent, refetchAll } from "../api/cache.ts";
import { setResponseListener } from "../api/client.ts";
import { onKeyChange } from "../api/key.ts";
import { LiveConnection } from "./connection.ts";
import { startPolling } from "./poller.ts";
import { type LiveState, live } from "./state.ts";
import { startWatching } from "./watched-jobs.ts";

export function goLive(queries: QueryClient): void {
  const connection = new LiveConnection(live, {
    event: (event) => applyEvent(queries, event),
    gap: () => void refetchAll(queries),
  });
  setResponseListener({
    responded: () => live.recordContact(Date.now()),
    unauthorized: () => connection.signOut(),
  });
  onKeyChange((key) => {
    // After a sign-out the page must show no data; after a sign-in it stays.
    if (key === null) return location.reload();
    queries.invalidateQueries();
    connection.restart();
  });
  // As in a hidden tab, nothing is polled while the service is not reachable.
  live.subscribe(() => focusManager.setFocused(live.get().mode === "offline" ? false : undefined));
  startPolling(queries, live);
  startWatching();
  connection.start();
}

export function useLive(): LiveState {
  return useSyncExternalStore(live.subscribe, live.get);
}
