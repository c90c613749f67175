/** Does a thing at once, then at most once a while, and never forgets the last wish. */
export class Throttle {
  #waiting = new Map<string, { again: (() => unknown) | null }>();

  constructor(private readonly everyMs: number) {}

  run(name: string, work: () => unknown): void {
    const entry = this.#waiting.get(name);
    if (entry) {
      entry.again = work;
      return;
    }
    this.#start(name, work);
  }

  #start(name: string, work: () => unknown): void {
    const entry: { again: (() => unknown) | null } = { again: null };
    this.#waiting.set(name, entry);
    Promise.resolve()
      .then(work)
      .catch(() => {}); // the query itself keeps and shows its error
    setTimeout(() => {
      this.#waiting.delete(name);
      if (entry.again) this.#start(name, entry.again);
    }, this.everyMs);
  }
}
