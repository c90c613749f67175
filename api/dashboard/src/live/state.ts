/** The state of the live connection, which the badge shows. */

export type Mode = "connecting" | "live" | "polling" | "offline" | "hidden" | "signed-out";

export interface LiveState {
  mode: Mode;
  /** When the service last responded or sent an event. */
  lastContactAt: number;
  /** When the service became unreachable. */
  downSince: number | null;
  /** The service responds, but late. */
  isSlow: boolean;
}

type Listener = () => void;

/** One state for the whole tab, for React's `useSyncExternalStore`. */
export class LiveStore {
  #state: LiveState = { mode: "connecting", lastContactAt: 0, downSince: null, isSlow: false };
  #listeners = new Set<Listener>();

  get = (): LiveState => this.#state;

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Record that the service responded; an older time changes nothing. */
  recordContact(at: number): void {
    if (at > this.#state.lastContactAt) this.#state = { ...this.#state, lastContactAt: at };
  }

  setMode(mode: Mode): void {
    if (mode === this.#state.mode) return;
    const downSince = mode === "offline" ? this.#state.lastContactAt || Date.now() : null;
    this.#change({ mode, downSince });
  }

  setSlow(isSlow: boolean): void {
    if (isSlow !== this.#state.isSlow) this.#change({ isSlow });
  }

  #change(fields: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...fields };
    for (const listener of this.#listeners) listener();
  }
}

export const live = new LiveStore();
