// I54: a process that its application has paused asks for no records, and admits none. What was under way before the pause may go on.
export interface IntakeOptions {
  readonly now: () => number;
  readonly stages: number;
  /** Changes when a call to the stream is harmed. */
  readonly harmed: () => number;
  readonly resumedAt: () => number;
  readonly violate: (invariant: string, text: string) => void;
}

export interface IntakeLaw {
  readonly isPaused: () => boolean;
  paused(): void;
  resumed(): void;
  /** A request leaves the process. */
  asks(operation: string): void;
  /** This worker hands records to a stage. */
  hands(shardWorker: number): void;
}

/** What asks for records: the last one is the demand for one more event of a subscription. */
const asking: ReadonlySet<string> = new Set(['GetRecords', 'SubscribeToShard', 'SubscribeToShardEvent']);
/** A read of a stream ends in this time if nothing fails. */
const readMs = 10_000;

export function createIntakeLaw({ now, stages, harmed, resumedAt, violate }: IntakeOptions): IntakeLaw {
  let since: number | undefined;
  let harmedBefore = 0;
  const batches = new Map<number, number>();
  const broken = (what: string, pausedAt: number): void =>
    violate('I54', `it ${what} ${Math.round(now() - pausedAt)} ms after its application has paused it`);
  return {
    isPaused: () => since !== undefined,
    paused: () => {
      if (since !== undefined) return;
      since = now();
      harmedBefore = harmed();
      batches.clear();
    },
    resumed: () => (since = undefined),
    asks: (operation) => {
      // A read that was under way may go on, with its pauses and repetitions.
      if (!asking.has(operation) || since === undefined || now() - since < readMs) return;
      if (harmed() === harmedBefore && resumedAt() < since) broken('asks for records', since);
    },
    hands: (shardWorker) => {
      if (since === undefined) return;
      // What was admitted before the pause follows the batch that a stage has not answered yet: one batch for each stage.
      const times = (batches.get(shardWorker) ?? 0) + 1;
      batches.set(shardWorker, times);
      if (times > stages) broken('admits records', since);
    },
  };
}
