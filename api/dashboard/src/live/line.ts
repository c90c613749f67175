/**
 * One event stream for all tabs of a browser, which grants six connections to a host.
 *
 * Tabs in sight contend for a lock; who holds it reads the stream and passes on what it hears. A tab
 * out of sight lets go. Without locks (plain HTTP on another host than this one) a tab polls.
 */

import type { LiveEvent } from "../api/faces.ts";
import { NoStreamError, readEvents, SignedOutError } from "./source.ts";
import type { LiveStore, Mode } from "./state.ts";

const LOCK = "zpruner.events";
// A service that falls silent is called so within five seconds: quiet, look, probe.
const QUIET_MS = 2500;
const LOOK_MS = 500;
const PROBE_MS = 1500;
const DEAD_MS = 40_000; // more than two of the stream's pings
const RETRY_MS = [250, 500, 1000, 2000, 3000];

type Said =
  | { kind: "event"; event: LiveEvent; id: string | null }
  | { kind: "mode"; mode: Mode; heardAt: number }
  | { kind: "gap" };

export interface Listener {
  event(event: LiveEvent): void;
  /** Something may have been missed. */
  gap(): void;
}

export class Line {
  #channel = new BroadcastChannel(LOCK);
  #stop: AbortController | null = null;
  #lastId: string | null = null;
  #isLeading = false;
  #isAsking = false;
  /** Whether this tab has a way back to `live` of its own, which is to read the stream. */
  #isReading = false;

  constructor(
    private readonly state: LiveStore,
    private readonly listener: Listener,
  ) {
    this.#channel.onmessage = ({ data }: MessageEvent<Said>) => this.#told(data);
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => this.#watch(), LOOK_MS);
  }

  start(): void {
    this.#look();
  }

  /** Begin anew, with another key. */
  restart(): void {
    this.#stop?.abort();
    this.#stop = null;
    this.state.enter("connecting");
    this.#look();
  }

  /** The key is refused: ask for nothing until there is another one. */
  signOut(): void {
    this.#enter("signed-out");
    this.#stop?.abort();
  }

  #look(): void {
    if (document.hidden) {
      this.#stop?.abort();
      this.#stop = null;
      this.state.enter("hidden");
    } else if (this.#stop === null) {
      const wasHidden = this.state.get().mode === "hidden";
      this.#stop = new AbortController();
      this.state.enter("connecting");
      if (wasHidden) this.listener.gap();
      this.#contend(this.#stop.signal);
    }
  }

  #contend(signal: AbortSignal): void {
    if (!hasLocks()) {
      this.state.enter("polling");
      return;
    }
    navigator.locks
      .request(LOCK, { signal }, () => this.#lead(signal))
      .catch((error) => {
        if (!signal.aborted) throw error;
      });
  }

  async #lead(signal: AbortSignal): Promise<void> {
    this.#isLeading = this.#isReading = true;
    try {
      for (let failures = 0; !signal.aborted; failures += 1) {
        try {
          await this.#read(signal, () => {
            failures = 0;
          });
        } catch (error) {
          if (signal.aborted) return;
          if (error instanceof NoStreamError) return await this.#poll(signal);
          if (error instanceof SignedOutError) return this.#enter("signed-out");
        }
        this.#enter((await this.#answers()) ? "connecting" : "offline");
        await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0, signal);
      }
    } finally {
      this.#isLeading = this.#isReading = false;
    }
  }

  async #read(signal: AbortSignal, opened: () => void): Promise<void> {
    const cut = new AbortController();
    let heardAt = Date.now();
    const heard = () => {
      heardAt = Date.now();
      this.state.heard(heardAt);
    };
    const isDead = () => Date.now() - heardAt > DEAD_MS || this.state.get().mode === "offline";
    const timer = setInterval(() => isDead() && cut.abort(), 1000);
    try {
      await readEvents(
        this.#lastId,
        {
          opened: () => {
            opened();
            heard();
            this.#enter("live");
            this.#say({ kind: "gap" });
            this.listener.gap();
          },
          anything: heard,
          at: (id) => {
            this.#lastId = id;
          },
          event: (event) => this.#happened(event),
        },
        AbortSignal.any([signal, cut.signal]),
      );
    } finally {
      clearInterval(timer);
    }
  }

  #happened(event: LiveEvent): void {
    this.#say({ kind: "event", event, id: this.#lastId });
    this.listener.event(event);
  }

  /** Hold the lock, so that the other tabs know from this one that there is no stream. */
  async #poll(signal: AbortSignal): Promise<void> {
    this.#isReading = false;
    this.#enter("polling");
    await new Promise((done) => signal.addEventListener("abort", done, { once: true }));
  }

  #told(said: Said): void {
    if (said.kind === "mode") {
      this.state.heard(said.heardAt);
      const isSignedOut = this.#stop?.signal.aborted;
      if (!document.hidden && !isSignedOut) this.state.enter(said.mode);
      return;
    }
    this.state.heard(Date.now());
    if (said.kind === "gap") {
      this.listener.gap();
      return;
    }
    this.#lastId = said.id ?? this.#lastId;
    this.listener.event(said.event);
  }

  /** Pass on how it stands, and ask whether a silent service is still there. */
  #watch(): void {
    if (document.hidden) return;
    if (this.#isLeading) this.#say({ kind: "mode", ...this.state.get() });
    const isQuiet = Date.now() - this.state.get().heardAt > QUIET_MS;
    if (isQuiet && !this.#isAsking && this.state.get().mode !== "signed-out") this.#ask();
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const answers = await this.#answers();
    this.#isAsking = false;
    if (!answers) this.#enter("offline");
    else if (this.state.get().mode === "offline" && !this.#isReading) this.#return();
  }

  /** Come back without a stream of one's own: from the tab that has it, or by asking. */
  #return(): void {
    const waitsForLeader = hasLocks() && !this.#isLeading;
    this.#enter(waitsForLeader ? "connecting" : "polling");
    this.listener.gap();
  }

  async #answers(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(PROBE_MS);
      const { ok } = await fetch("/healthz", { signal, cache: "no-store" });
      if (ok) this.state.heard(Date.now());
      return ok;
    } catch {
      return false;
    }
  }

  #enter(mode: Mode): void {
    if (document.hidden) return;
    this.state.enter(mode);
    if (this.#isLeading) this.#say({ kind: "mode", ...this.state.get() });
  }

  #say(said: Said): void {
    this.#channel.postMessage(said);
  }
}

/** Browsers grant locks on HTTPS and on this machine only, whatever the types say. */
function hasLocks(): boolean {
  return "locks" in navigator;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
}
