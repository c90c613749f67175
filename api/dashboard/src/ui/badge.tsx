import { ago, clock } from "../format.ts";
import { useLive } from "../live/index.ts";
import type { LiveState, Mode } from "../live/state.ts";
import { useNow } from "./now.ts";

const LABELS: Record<Mode, string> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
  hidden: "Paused",
  "signed-out": "Signed out",
};

const RESPONDING = new Set<Mode>(["connecting", "live", "polling"]);

/** Shows the state of the live connection. */
export function LiveBadge() {
  const state = useLive();
  const now = useNow();
  const isSlow = state.isSlow && RESPONDING.has(state.mode);
  return (
    <span className={`badge is-${isSlow ? "slow" : state.mode}`} title={description(state, now)}>
      <span role="status">{isSlow ? "Slow" : LABELS[state.mode]}</span>
      {state.mode === "offline" && state.downSince && (
        <span className="faint"> {ago(state.downSince, now)}</span>
      )}
    </span>
  );
}

function description({ mode, lastContactAt, isSlow }: LiveState, now: number): string {
  const contact = lastContactAt ? `Last response ${ago(lastContactAt, now)}.` : "";
  if (isSlow && RESPONDING.has(mode)) {
    return `The service takes more than a second to respond; changes are shown later. ${contact}`;
  }
  switch (mode) {
    case "live":
      return `Changes are shown as they happen. ${contact}`;
    case "polling":
      return `The page polls the service every two seconds. ${contact}`;
    case "offline":
      return `The service is not reachable; the page keeps retrying. ${contact}`;
    default:
      return contact;
  }
}

/** Warns that the page may be outdated. */
export function OfflineBanner() {
  const { mode, downSince } = useLive();
  if (mode !== "offline") return null;
  return (
    <div className="banner" role="alert">
      The service has not been reachable{downSince ? ` since ${clock(downSince)}` : ""}. The page
      shows the state at that time and updates when the service is back.
    </div>
  );
}
