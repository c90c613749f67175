import { ago, clock } from "../format.ts";
import { useLive } from "../live/index.ts";
import type { LiveState, Mode } from "../live/state.ts";
import { useNow } from "./now.ts";

const WORDS: Record<Mode, string> = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
  hidden: "Paused",
  "signed-out": "Signed out",
};

/** Whether what is shown is what is: by the age of the last sign of life. */
export function LiveBadge() {
  const state = useLive();
  const now = useNow();
  return (
    <span className={`badge is-${state.mode}`} title={explained(state, now)}>
      <span role="status">{WORDS[state.mode]}</span>
      {state.mode === "offline" && state.downSince && (
        <span className="faint"> {ago(state.downSince, now)}</span>
      )}
    </span>
  );
}

function explained({ mode, heardAt }: LiveState, now: number): string {
  const heard = heardAt ? `The service was last heard ${ago(heardAt, now)}.` : "";
  switch (mode) {
    case "live":
      return `Changes are shown as they happen. ${heard}`;
    case "polling":
      return `This service is asked every two seconds. ${heard}`;
    case "offline":
      return `The service does not answer; it is asked again and again. ${heard}`;
    default:
      return heard;
  }
}

/** Over a page whose figures may be old. */
export function OfflineBanner() {
  const { mode, downSince } = useLive();
  if (mode !== "offline") return null;
  return (
    <div className="banner" role="alert">
      The service does not answer{downSince ? ` since ${clock(downSince)}` : ""}. What you see is as
      of then; the page goes on by itself when the service is back.
    </div>
  );
}
