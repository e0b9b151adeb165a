// What a nemesis takes and what it answers: types only.

/** What `nemesis` takes. */
export interface NemesisOptions {
  /** Decides everything that is left to chance: the same seed and the same run give the same log. */
  readonly seed: number;
}

/** When a kill strikes. */
export type NemesisMoment =
  /** Before or after the actor handles its next message of this `type`. Default `before`: the message dies with it. */
  | { readonly at: string; readonly when?: 'before' | 'after' }
  /**
   * At its next effect of this name (`reduce`, `flush`, `read`, `renew`, `take`, `scan`, …). The moment is before it
   * begins, while it runs (the default), or when it has settled and the actor does not know it yet.
   */
  | { readonly effect: string; readonly when?: 'before' | 'during' | 'after' };

/** A random fault. */
export type NemesisAct = 'kill' | 'pause' | 'delay' | 'duplicate' | 'fail' | 'hang';

/** What `start` of a nemesis takes. */
export interface NemesisStartOptions {
  /**
   * Milliseconds between two faults on average; each interval is half to one and a half of it.
   * @default 1_000
   */
  readonly everyMs?: number;
  /**
   * The faults to choose from, equally often.
   * @default all six
   */
  readonly acts?: readonly NemesisAct[];
  /**
   * Paths or kinds of the actors to choose from.
   * @default every kind but the supervisors
   */
  readonly kinds?: readonly string[];
}

/** One line of what was done. */
export interface NemesisEntry {
  /** The consumer's monotonic clock, milliseconds. */
  readonly at: number;
  /** The fault, or the end of a pause. */
  readonly what: NemesisAct | 'resume';
  /** The actor's path, or the target as it was given where it may be several. */
  readonly target: string;
  /** The message or effect, for how long, … */
  readonly detail?: string;
}

/** Which messages; members left out match anything. */
export interface MessageFilter {
  /** Path or kind of the sender. An actor's own timers and results have none. */
  readonly from?: string;
  /** Path or kind of the receiver. */
  readonly to?: string;
  /** The message's `type`. */
  readonly type?: string;
}

/**
 * What `nemesis` returns. A target is an actor's path as `status().tree` shows it (`reducer/3#17`), the path without
 * its incarnation (`reducer/3`: whichever is alive) or a kind (`reducer`). If several actors are meant, the seed picks
 * one for what is done at once. What waits for its moment takes the first actor that gets there.
 *
 * Every verb throws a KinactError. INVALID_OPTION: a kind, a message, an effect, an act or a number that does not
 * exist. ACTOR_STOPPED: no meant actor is alive, and the fault is to be done at once. STOPPED: it was disposed of, or,
 * for `start`, the consumer has ended.
 */
export interface Nemesis extends Disposable {
  /** The seed that it was made with. */
  readonly seed: number;
  /** Everything that was done, in order. */
  readonly log: readonly NemesisEntry[];
  /** The seed and the log as text, for the message of a test that failed. */
  report(): string;
  /** Crashes an actor in the middle of whatever it does: its supervisor decides what follows. Returns its path. */
  kill(target: string): string;
  /** Crashes it at a moment. Resolves to its path; rejects with STOPPED when `heal` came first. */
  kill(target: string, moment: NemesisMoment): Promise<string>;
  /** Kills one living actor, of these kinds (default: all but the supervisors), by the seed. Returns its path. */
  killRandom(options?: { readonly kinds?: readonly string[] }): string;
  /**
   * Lets an actor stand still: its messages, timers and results wait, in order. Until the returned function is called,
   * or for `ms`.
   */
  pause(target: string, options?: { readonly ms?: number }): () => void;
  /**
   * Delays messages by `ms`, and later ones of the same sender and receiver with them. Returns a function that ends it
   * for later ones.
   */
  delay(filter: MessageFilter & { readonly ms: number }): () => void;
  /** Delivers messages twice, with a probability (default 1). Returns a function that ends it. */
  duplicate(filter: MessageFilter & { readonly probability?: number }): () => void;
  /**
   * The next effect of this name (default: whichever comes) never settles, not even when it is aborted. A user call
   * that hangs like this over a restart becomes an orphan after `stopDeadlineMs`. `when: 'before'` (default): it does
   * not even begin. `after`: it is done, and the actor does not hear of it. Returns a function that releases it.
   */
  hang(target: string, effect?: string, options?: { readonly when?: 'before' | 'after' }): () => void;
  /**
   * The next effect of this name (default: whichever comes) fails with `error`. Returns a function that withdraws it.
   */
  failNext(target: string, effect?: string, error?: unknown): () => void;
  /** Random faults at random intervals until `stop`. Kills count as restarts: see `restart.intensity`. */
  start(options?: NemesisStartOptions): void;
  /** Ends `start`; what is under way ends in its own time. */
  stop(): void;
  /** Ends and undoes everything: resumes, delivers, releases, withdraws. The end of the consumer does so by itself. */
  heal(): void;
  /** `heal`, and detaches from the consumer. */
  [Symbol.dispose](): void;
}
