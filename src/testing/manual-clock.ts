// Virtual time: a clock and timers that move only when a test advances them. Between two timers, everything comes to rest.
// `install` also replaces the host's timer functions. Then nact runs in virtual time too, in the same order in every run.
import { callback, checkMembers, finite, integer, kind } from '../options/option-table.js';
import { KinactError } from '../api/errors.js';
import type { Clock, Timers } from '../api/ports.js';

/** The host's own, saved before anything replaces it. Its callback runs after all promise callbacks. */
const realSetImmediate = globalThis.setImmediate;

const replaced = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
] as const;

interface Task {
  due: number;
  order: number;
  run: (() => void) | undefined;
}

const clockKinds = { now: finite, wallNow: finite, restlessAfter: integer(1) };
const passing = kind('milliseconds, 0 or more', (value) => Number.isFinite(value) && (value as number) >= 0);
const delay = kind('milliseconds', (value) => typeof value === 'number' && !Number.isNaN(value));
const aFunction = callback<unknown>();

/**
 * A `Clock` and `Timers` for tests. Methods throw, or reject with, INVALID_OPTION if an argument is no number of milliseconds.
 *
 * @example
 * ```ts
 * import { createRuntime } from 'kinact/supervision';
 *
 * const clock = new ManualClock();
 * clock.install();
 * const runtime = createRuntime({ clock, timers: clock });
 * await clock.advance(60_000);
 * clock.uninstall();
 * ```
 */
export class ManualClock implements Clock, Timers {
  #now: number;
  #wallOffset: number;
  #order = 0;
  #advancing = false;
  /** True after `spend`: timers may have become due within the callback. */
  #spent = false;
  #restless = 0;
  readonly #restlessAfter: number;
  /** A binary heap by due time, then by order of setting. A canceled task stays in the heap until it is due. */
  readonly #timers: Task[] = [];
  #immediates: Task[] = [];
  #saved: Map<string, unknown> | undefined;

  /**
   * `now` and `wallNow` are in milliseconds; by default 0 and the start of 2026. If `restlessAfter` callbacks (default a
   * million) run at one instant, the clock assumes an endless loop.
   * @throws KinactError INVALID_OPTION for an unknown member, or a value that is no number.
   */
  constructor(
    options: {
      /** The monotonic time to start at. */
      readonly now?: number;
      /** The wall clock to start at. */
      readonly wallNow?: number;
      /** How many callbacks may run at one instant. */
      readonly restlessAfter?: number;
    } = {},
  ) {
    checkMembers(clockKinds, options);
    this.#now = options.now ?? 0;
    this.#restlessAfter = options.restlessAfter ?? 1_000_000;
    this.#wallOffset = (options.wallNow ?? Date.UTC(2026, 0, 1)) - this.#now;
  }

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.#now + this.#wallOffset;
  }

  /** The number of timers and immediates that have neither run nor been canceled. */
  pending(): number {
    return [...this.#timers, ...this.#immediates].filter((task) => task.run !== undefined).length;
  }

  /** Moves only the wall clock, as a suspended machine or a time server does. */
  jumpWall(ms: number): void {
    finite.parse(ms, 'ms');
    this.#wallOffset += ms;
  }

  /**
   * Lets time pass inside a callback, like code that computes for `ms` milliseconds. Nothing else runs in this time, so timers
   * that become due run late.
   */
  spend(ms: number): void {
    this.#now += ms;
    this.#spent = true;
    this.#restless = 0;
  }

  after(ms: number, callback: () => void): () => void {
    delay.parse(ms, 'ms');
    aFunction.parse(callback, 'callback');
    const task = this.#schedule(ms, callback);
    return () => {
      task.run = undefined;
    };
  }

  /**
   * Lets `ms` milliseconds pass: runs due timers in order, one callback at a time. Before and after each callback, promises and
   * (when installed) immediates come to rest. Rejects with the error of a callback, and if callbacks run without end at one
   * instant. Do not call `advance` again before it has resolved.
   */
  async advance(ms: number): Promise<void> {
    passing.parse(ms, 'ms');
    await this.#advance(ms, () => false);
  }

  /** Like `advance`, but stops as soon as everything rests and `condition` holds. Resolves to whether it holds. */
  async advanceUntil(condition: () => boolean, ms: number): Promise<boolean> {
    aFunction.parse(condition, 'condition');
    passing.parse(ms, 'ms');
    return this.#advance(ms, condition);
  }

  /** Replaces the host's timer functions with this clock's. `performance` and `Date` stay as they are. */
  install(): void {
    if (this.#saved !== undefined) throw new KinactError('REFUSED', 'this ManualClock is installed already');
    const host = globalThis as Record<string, unknown>;
    this.#saved = new Map(replaced.map((name) => [name, host[name]]));

    const cancel = (handle: unknown): void => {
      if (handle instanceof VirtualHandle) handle.close();
    };

    // As in Node, every delay is at least 1 ms.
    const wait = (ms: unknown): number => Math.max(1, Number(ms) || 0);

    host['setTimeout'] = (callback: (...args: unknown[]) => void, ms?: unknown, ...args: unknown[]) =>
      new VirtualHandle(
        (run) => this.#schedule(wait(ms), run),
        () => callback(...args),
      );

    host['setInterval'] = (callback: (...args: unknown[]) => void, ms?: unknown, ...args: unknown[]) => {
      const handle: VirtualHandle = new VirtualHandle(
        (run) => this.#schedule(wait(ms), run),
        () => {
          handle.refresh();
          callback(...args);
        },
      );
      return handle;
    };

    host['setImmediate'] = (callback: (...args: unknown[]) => void, ...args: unknown[]) =>
      new VirtualHandle(
        (run) => this.#schedule(undefined, run),
        () => callback(...args),
      );

    for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) host[name] = cancel;
  }

  /** Restores the host's functions. Has no effect if the clock is not installed. */
  uninstall(): void {
    for (const [name, original] of this.#saved ?? []) (globalThis as Record<string, unknown>)[name] = original;
    this.#saved = undefined;
  }

  /** Calls `uninstall` at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.uninstall();
  }

  /** Without `ms`, sets an immediate: due now, but before any timer. */
  #schedule(ms: number | undefined, run: () => void): Task {
    const task: Task = { due: this.#now + Math.max(0, ms ?? 0), order: ++this.#order, run };
    if (ms === undefined) this.#immediates.push(task);
    else if (task.due !== Infinity) push(this.#timers, task);
    return task;
  }

  async #advance(ms: number, condition: () => boolean): Promise<boolean> {
    if (this.#advancing) throw new KinactError('REFUSED', 'advance was called before the last one had resolved');
    this.#advancing = true;
    try {
      const until = this.#now + ms;
      await this.#rest(until);
      for (;;) {
        if (condition()) return true;
        const next = this.#timers[0];
        if (next === undefined || next.due > until || this.#now > until) break;
        pop(this.#timers);
        if (next.run === undefined) continue;
        if (next.due > this.#now) this.#restless = 0;
        this.#now = Math.max(this.#now, next.due);
        await this.#run(next);
        await this.#rest(until);
      }

      this.#now = Math.max(this.#now, until);
      this.#restless = 0;
      return false;
    } finally {
      this.#advancing = false;
    }
  }

  /** Runs immediates until none is left. If code keeps calling `spend`, the rest waits for the next advance. */
  async #rest(until: number): Promise<void> {
    await settlePromises();
    while (this.#now <= until) {
      if (this.#spent) await this.#catchUp();
      if (this.#immediates.length === 0) return;
      const batch = this.#immediates;
      this.#immediates = [];
      for (const task of batch) await this.#run(task);
    }
  }

  /** Timers that became due while code was running run before the next round of immediates, as in Node. */
  async #catchUp(): Promise<void> {
    this.#spent = false;
    const now = this.#now;
    for (let next = this.#timers[0]; next !== undefined && next.due <= now; next = this.#timers[0]) {
      pop(this.#timers);
      await this.#run(next);
    }
  }

  async #run(task: Task): Promise<void> {
    const run = task.run;
    task.run = undefined;
    if (run === undefined) return;

    if (++this.#restless > this.#restlessAfter) {
      const text = `no rest: ${this.#restlessAfter} callbacks ran at ${this.#now} ms without time moving on`;
      throw new KinactError('REFUSED', text);
    }

    run();
    await settlePromises();
  }
}

/** The return value of the replaced functions: the part of Node's Timeout and Immediate that callers use. */
class VirtualHandle {
  readonly #schedule: (run: () => void) => Task;
  readonly #run: () => void;
  #task: Task;

  constructor(schedule: (run: () => void) => Task, run: () => void) {
    this.#schedule = schedule;
    this.#run = run;
    this.#task = schedule(run);
  }

  refresh(): this {
    this.close();
    this.#task = this.#schedule(this.#run);
    return this;
  }

  close(): this {
    this.#task.run = undefined;
    return this;
  }

  hasRef(): boolean {
    return this.#task.run !== undefined;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  [Symbol.toPrimitive](): number {
    return this.#task.order;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function settlePromises(): Promise<void> {
  return new Promise((resolve) => {
    realSetImmediate(resolve);
  });
}

function isBefore(a: Task, b: Task): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}

function push(heap: Task[], task: Task): void {
  let at = heap.length;
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above]!;
    if (!isBefore(task, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = task;
}

function pop(heap: Task[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;

  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
