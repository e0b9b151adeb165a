// The lines that wait for a write of a file sink, oldest first. A line whose signal aborts leaves the queue with a rejection. One
// listener per signal: Node warns about many of them, and all items of a shard may share one.

export interface WaitingLine {
  readonly line: Buffer;
  readonly signal: AbortSignal;
  readonly kept: () => void;
  readonly failed: (reason: unknown) => void;
}

export class WaitingLines {
  #lines: WaitingLine[] = [];
  readonly #listeners = new Map<AbortSignal, { waiting: number; readonly listener: () => void }>();

  get head(): WaitingLine | undefined {
    return this.#lines[0];
  }

  push(waiting: WaitingLine): void {
    const { signal } = waiting;
    this.#lines.push(waiting);
    const known = this.#listeners.get(signal);
    if (known !== undefined) {
      known.waiting += 1;
      return;
    }
    const listener = (): void => this.#drop(signal);
    signal.addEventListener('abort', listener, { once: true });
    this.#listeners.set(signal, { waiting: 1, listener });
  }

  /** Takes the first `count` lines: from now on, their signals have no effect. */
  take(count: number): readonly WaitingLine[] {
    const taken = this.#lines.slice(0, count);
    this.#lines = this.#lines.slice(count);
    for (const { signal } of taken) {
      const entry = this.#listeners.get(signal)!;
      entry.waiting -= 1;
      if (entry.waiting > 0) continue;
      signal.removeEventListener('abort', entry.listener);
      this.#listeners.delete(signal);
    }
    return taken;
  }

  takeAll(): readonly WaitingLine[] {
    return this.take(this.#lines.length);
  }

  at(index: number): WaitingLine | undefined {
    return this.#lines[index];
  }

  #drop(signal: AbortSignal): void {
    this.#listeners.delete(signal);
    const dropped = this.#lines.filter((each) => each.signal === signal);
    this.#lines = this.#lines.filter((each) => each.signal !== signal);
    for (const { failed } of dropped) failed(signal.reason);
  }
}
