/** How live the page is: what the badge says. */

export type Mode = "connecting" | "live" | "polling" | "offline" | "hidden" | "signed-out";

export interface LiveState {
  mode: Mode;
  /** When the service was last heard, by any means. */
  heardAt: number;
  /** When it stopped answering. */
  downSince: number | null;
}

type Listener = () => void;

/** One state for the whole tab, for React's `useSyncExternalStore`. */
export class LiveStore {
  #state: LiveState = { mode: "connecting", heardAt: 0, downSince: null };
  #listeners = new Set<Listener>();

  get = (): LiveState => this.#state;

  subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The service answered; an old answer changes nothing. */
  heard(at: number): void {
    if (at > this.#state.heardAt) this.#state = { ...this.#state, heardAt: at };
  }

  enter(mode: Mode): void {
    if (mode === this.#state.mode) return;
    const downSince = mode === "offline" ? this.#state.heardAt || Date.now() : null;
    this.#state = { ...this.#state, mode, downSince };
    for (const tell of this.#listeners) tell();
  }
}

export const live = new LiveStore();
