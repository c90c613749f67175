/**
 * One event stream for all tabs of a browser, which allows six connections per host.
 *
 * Visible tabs request a lock; the tab that holds it reads the stream and broadcasts the events.
 * Hidden tabs release it. Without locks (plain HTTP on a remote host) each tab polls.
 */

import type { LiveEvent } from "../api/live-events.ts";
import { NoStreamError, readEvents, SignedOutError } from "./source.ts";
import type { LiveStore, Mode } from "./state.ts";

const LOCK = "zpruner.events";
// A silent service is shown as offline within five seconds: quiet, check, probe.
const QUIET_MS = 1200;
const CHECK_MS = 250;
/** How long a probe waits at first; behind a slow connection the next ones wait longer. */
const PROBE_MS = 3000;
const MAX_PROBE_MS = 15_000;
/** A service that takes longer is shown as slow. */
const SLOW_MS = 1000;
const BROKEN_MS = 40_000; // more than two pings of the stream
/** The wait after a first failure; after each further one it is twice as long. */
const RETRY_MS = 250;
const MAX_RETRY_MS = 60_000;
/** How long a service that responds waits at most for the next attempt to read its stream. */
const MAX_STREAM_RETRY_MS = 3000;

type Message =
  | { kind: "event"; event: LiveEvent; id: string | null }
  | { kind: "mode"; mode: Mode; lastContactAt: number; isSlow: boolean }
  | { kind: "gap" };

export interface Listener {
  event(event: LiveEvent): void;
  /** Events may have been missed. */
  gap(): void;
}

export class LiveConnection {
  #channel = new BroadcastChannel(LOCK);
  #stop: AbortController | null = null;
  #lastId: string | null = null;
  #isLeading = false;
  #isProbing = false;
  #probeMs = PROBE_MS;
  #failedProbes = 0;
  #nextProbeAt = 0;
  /** Whether this tab reads the stream, and so returns to `live` by itself. */
  #isReading = false;

  constructor(
    private readonly state: LiveStore,
    private readonly listener: Listener,
  ) {
    this.#channel.onmessage = ({ data }: MessageEvent<Message>) => this.#receive(data);
    document.addEventListener("visibilitychange", () => this.#followVisibility());
    addEventListener("online", () => this.restart());
    setInterval(() => this.#checkSilence(), CHECK_MS);
  }

  start(): void {
    this.#followVisibility();
  }

  /** Reconnect at once: with another key, or because the computer has a network again. */
  restart(): void {
    this.#stop?.abort();
    this.#stop = null;
    this.state.setMode("connecting");
    this.#followVisibility();
  }

  /** Stop all requests until there is another key. */
  signOut(): void {
    this.#setMode("signed-out");
    this.#stop?.abort();
  }

  #followVisibility(): void {
    if (document.hidden) {
      this.#stop?.abort();
      this.#stop = null;
      this.state.setMode("hidden");
    } else if (this.#stop === null) {
      const wasHidden = this.state.get().mode === "hidden";
      this.#stop = new AbortController();
      this.state.setMode("connecting");
      if (wasHidden) this.listener.gap();
      this.#requestLock(this.#stop.signal);
    }
  }

  #requestLock(signal: AbortSignal): void {
    if (!hasLocks()) {
      this.state.setMode("polling");
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
          if (error instanceof SignedOutError) return this.#setMode("signed-out");
        }
        const isReachable = await this.#isReachable();
        this.#setMode(isReachable ? "connecting" : "offline");
        const longest = isReachable ? MAX_STREAM_RETRY_MS : MAX_RETRY_MS;
        await pause(Math.min(backOff(failures), longest), signal);
      }
    } finally {
      this.#isLeading = this.#isReading = false;
    }
  }

  async #read(signal: AbortSignal, opened: () => void): Promise<void> {
    const broken = new AbortController();
    let lastContactAt = Date.now();
    const onContact = () => {
      lastContactAt = Date.now();
      this.state.recordContact(lastContactAt);
    };
    const isBroken = () =>
      Date.now() - lastContactAt > BROKEN_MS || this.state.get().mode === "offline";
    const timer = setInterval(() => isBroken() && broken.abort(), 1000);
    try {
      await readEvents(
        this.#lastId,
        {
          opened: () => {
            opened();
            onContact();
            this.#setMode("live");
            this.#broadcast({ kind: "gap" });
            this.listener.gap();
          },
          received: onContact,
          position: (id) => {
            this.#lastId = id;
          },
          event: (event) => this.#publish(event),
        },
        AbortSignal.any([signal, broken.signal]),
      );
    } finally {
      clearInterval(timer);
    }
  }

  #publish(event: LiveEvent): void {
    this.#broadcast({ kind: "event", event, id: this.#lastId });
    this.listener.event(event);
  }

  /** Poll and keep the lock, so that the other tabs learn from this one that there is no stream. */
  async #poll(signal: AbortSignal): Promise<void> {
    this.#isReading = false;
    this.#setMode("polling");
    await new Promise((done) => signal.addEventListener("abort", done, { once: true }));
  }

  #receive(message: Message): void {
    if (message.kind === "mode") {
      this.state.recordContact(message.lastContactAt);
      this.state.setSlow(message.isSlow);
      const isSignedOut = this.#stop?.signal.aborted;
      if (!document.hidden && !isSignedOut) this.state.setMode(message.mode);
      return;
    }
    this.state.recordContact(Date.now());
    if (message.kind === "gap") {
      this.listener.gap();
      return;
    }
    this.#lastId = message.id ?? this.#lastId;
    this.listener.event(message.event);
  }

  /** Broadcast the state, and probe a silent service. */
  #checkSilence(): void {
    if (document.hidden) return;
    if (this.#isLeading) this.#broadcast({ kind: "mode", ...this.state.get() });
    const { lastContactAt, isSlow, mode } = this.state.get();
    const isQuiet = isSlow || Date.now() - lastContactAt > QUIET_MS;
    const isDue = isQuiet && Date.now() >= this.#nextProbeAt;
    const isRetrying = mode === "offline" && this.#isReading; // the stream's own attempts probe
    if (isDue && !isRetrying && !this.#isProbing && mode !== "signed-out") this.#unwrap();
  }

  async #unwrap(): Promise<void> {
    this.#isProbing = true;
    const isReachable = await this.#isReachable();
    this.#isProbing = false;
    if (!isReachable) this.#setMode("offline");
    else if (this.state.get().mode === "offline" && !this.#isReading) this.#recover();
  }

  /** Recover in a tab that does not read the stream: wait for the leading tab, or poll. */
  #recover(): void {
    const waitsForLeader = hasLocks() && !this.#isLeading;
    this.#setMode(waitsForLeader ? "connecting" : "polling");
    this.listener.gap();
  }

  async #isReachable(): Promise<boolean> {
    const startedAt = Date.now();
    const late = setTimeout(() => this.state.setSlow(true), SLOW_MS);
    try {
      const signal = AbortSignal.timeout(this.#probeMs);
      const { ok } = await fetch("/healthz", { signal, cache: "no-store" });
      const latency = Date.now() - startedAt;
      this.state.setSlow(latency > SLOW_MS);
      this.#probeMs = Math.min(Math.max(2 * latency, PROBE_MS), MAX_PROBE_MS);
      if (ok) this.state.recordContact(Date.now());
      this.#recordProbe(ok);
      return ok;
    } catch {
      // Not reachable, or slower than expected: the next probe finds out.
      this.#probeMs = Math.min(2 * this.#probeMs, MAX_PROBE_MS);
      this.#recordProbe(false);
      return false;
    } finally {
      clearTimeout(late);
    }
  }

  #recordProbe(ok: boolean): void {
    this.#nextProbeAt = ok ? 0 : Date.now() + backOff(this.#failedProbes);
    this.#failedProbes = ok ? 0 : this.#failedProbes + 1;
  }

  #setMode(mode: Mode): void {
    if (document.hidden) return;
    this.state.setMode(mode);
    if (this.#isLeading) this.#broadcast({ kind: "mode", ...this.state.get() });
  }

  #broadcast(message: Message): void {
    this.#channel.postMessage(message);
  }
}

/** Despite the types, browsers provide locks only over HTTPS and on localhost. */
function hasLocks(): boolean {
  return "locks" in navigator;
}

function backOff(failures: number): number {
  return Math.min(RETRY_MS * 2 ** failures, MAX_RETRY_MS);
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
