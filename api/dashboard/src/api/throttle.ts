/** Runs work at once, then at most once per interval; the last request is never dropped. */
export class Throttle {
  #waiting = new Map<string, { next: (() => unknown) | null }>();

  constructor(private readonly everyMs: number) {}

  run(name: string, work: () => unknown): void {
    const entry = this.#waiting.get(name);
    if (entry) {
      entry.next = work;
      return;
    }
    this.#start(name, work);
  }

  #start(name: string, work: () => unknown): void {
    const entry: { next: (() => unknown) | null } = { next: null };
    this.#waiting.set(name, entry);
    Promise.resolve()
      .then(work)
      .catch(() => {}); // the query itself stores and shows its error
    setTimeout(() => {
      this.#waiting.delete(name);
      if (entry.next) this.#start(name, entry.next);
    }, this.everyMs);
  }
}
