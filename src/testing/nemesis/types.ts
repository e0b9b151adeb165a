// The options and the methods of a nemesis: types only.

/** What `nemesis` takes beside the consumer. */
export interface NemesisOptions {
  /** Decides every random choice: the same seed and the same run give the same log. */
  readonly seed: number;
}

/** The moment of a kill. */
export type NemesisMoment =
  /** Before or after the actor handles its next message of this `type`. Default `before`: the message is lost. */
  | {
      /** The message's `type`, such as `items`. */
      readonly at: string;
      /** Default `before`. */
      readonly when?: 'before' | 'after';
    }
  /**
   * At the actor's next effect of this name (`reduce`, `flush`, `read`, `renew`, `take`, `scan`, …). `when` says whether before the effect
   * begins, while it runs (the default), or after it has ended, before the actor has the result.
   */
  | {
      /** The effect's name. */
      readonly effect: string;
      /** Default `during`. */
      readonly when?: 'before' | 'during' | 'after';
    };

/** A random fault. */
export type NemesisAct = 'kill' | 'pause' | 'delay' | 'duplicate' | 'fail' | 'hang';

/** Which random faults `start` makes, and how often. */
export interface NemesisStartOptions {
  /**
   * The average time between two faults in milliseconds; each interval is 0.5 to 1.5 of it.
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

/** One entry of the log. */
export interface NemesisEntry {
  /** The consumer's monotonic clock, milliseconds. */
  readonly at: number;
  /** The fault, or the end of a pause. */
  readonly what: NemesisAct | 'resume';
  /** The actor's path; for a fault that may meet several actors, the target as it was given. */
  readonly target: string;
  /** The message or effect, the duration, … */
  readonly detail?: string;
}

/** Selects messages; a missing member matches anything. */
export interface MessageFilter {
  /** Path or kind of the sender. An actor's own timers and results have no sender. */
  readonly from?: string;
  /** Path or kind of the receiver. */
  readonly to?: string;
  /** The message's `type`. */
  readonly type?: string;
}

/**
 * Made by `nemesis`. A target is an actor's path as `status().tree` shows it (`reducer/3#17`), the path without its incarnation
 * (`reducer/3`: the one that is alive) or a kind (`reducer`). If several actors match, the seed picks one for a fault that
 * happens at once. A fault that waits for its moment takes the first actor that reaches it.
 *
 * Every method that injects a fault may throw a KinactError. INVALID_OPTION: a kind, a message, an effect, an act or a number
 * does not exist. ACTOR_STOPPED: the fault is to happen at once, and no matching actor is alive. STOPPED: the nemesis was
 * disposed of, or, for `start`, the consumer has ended.
 */
export interface Nemesis extends Disposable {
  /** The seed of this nemesis. */
  readonly seed: number;
  /** Everything that the nemesis did, in order. */
  readonly log: readonly NemesisEntry[];
  /** The seed and the log as text, for the message of a test that failed. */
  report(): string;
  /** Crashes an actor, whatever it does at the moment; its supervisor decides what follows. Returns its path. */
  kill(target: string): string;
  /** Crashes an actor at a moment. Resolves to its path; rejects with STOPPED if `heal` comes first. */
  kill(target: string, moment: NemesisMoment): Promise<string>;
  /** Kills one living actor of these kinds (default: all but the supervisors), chosen by the seed. Returns its path. */
  killRandom(options?: {
    /** Paths or kinds to choose from. */
    readonly kinds?: readonly string[];
  }): string;
  /**
   * Pauses an actor: its messages, timers and results wait, in order. The pause ends after `ms`, or when the returned function
   * is called.
   */
  pause(
    target: string,
    options?: {
      /** How long, in milliseconds. Default: until the returned function is called. */
      readonly ms?: number;
    },
  ): () => void;
  /**
   * Delays messages by `ms`. Later messages of the same sender and receiver wait behind them. Returns a function that ends the
   * delay for later messages.
   */
  delay(
    filter: MessageFilter & {
      /** Milliseconds. */
      readonly ms: number;
    },
  ): () => void;
  /** Delivers messages twice, with a probability (default 1). Returns a function that ends this. */
  duplicate(
    filter: MessageFilter & {
      /** From 0 to 1. Default 1. */
      readonly probability?: number;
    },
  ): () => void;
  /**
   * The next effect of this name (default: any effect) never ends, not even when it is aborted. A user call that hangs through a restart
   * becomes an orphan after `callDeadlineMs`. `when: 'before'` (default): the effect does not begin. `after`: it is carried out, but the
   * actor does not get the result. Returns a function that releases the effect.
   */
  hang(
    target: string,
    effect?: string,
    options?: {
      /** Default `before`. */
      readonly when?: 'before' | 'after';
    },
  ): () => void;
  /**
   * The next effect of this name (default: any effect) fails with `error` (default: a KinactError INJECTED_FAULT). Returns a function
   * that withdraws this.
   */
  failNext(target: string, effect?: string, error?: unknown): () => void;
  /** Random faults at random intervals until `stop`. Kills count as restarts: see `restart.intensity`. */
  start(options?: NemesisStartOptions): void;
  /** Stops new random faults. Faults under way end by themselves. */
  stop(): void;
  /** Ends and undoes all faults: resumes, delivers, releases, withdraws. The end of the consumer does the same. */
  heal(): void;
  /** Calls `heal`, and detaches from the consumer. */
  [Symbol.dispose](): void;
}
