// Runs one reducer in a test: the consumer's own reducer actor, without a runtime, streams or leases. Items go in,
// acknowledgements and state come out, and time moves only when the test advances it. This file carries out the actor's
// effects.
import {
  reducer,
  sharedSlot,
  type ReducerActorMessage,
  type ReducerOptions,
  type ReducerState,
} from '../../actors/reducer/reducer.js';
import type { Behaviour, Effect, Ref } from '../../actors/protocol/actor.js';
import type { PipeFeed } from '../../actors/protocol/pipe-feed.js';
import type { ReducerRequest } from '../../actors/protocol/pipeline-messages.js';
import type { StageMessage } from '../../actors/stage/stage.js';
import { answerFeed } from './driven-feed.js';
import type { KinactEvent } from '../api/events.js';
import { membersOf, milliseconds, refuse, resolveTable } from '../options/option-table.js';
import type { OnFailure } from '../api/failure-policy.js';
import { batchOf } from '../options/resolved-options.js';
import { checkReducerShape } from '../api/reducer-check.js';
import { defineReducer, type FoldingReducer, type ReducerDefinition } from '../api/reducer.js';
import type { DriveOptions } from './generated/drive-options.js';
import { checkItems, createLease, endLease, makeItem, type DrivenItem, type DrivenLease } from './driven-items.js';
import { driveTable } from './option-tables.js';
import { ManualClock } from './manual-clock.js';

/** Takes the place of the rest of the tree for one reducer. Made by `drive`. */
export interface Driver {
  /** Sends items, in order. Like all async methods here, it resolves when no call of the reducer is running. */
  items(items: readonly DrivenItem[]): Promise<void>;
  /** Lets this many milliseconds pass: timers of the reducer fire, a raw behaviour gets its heartbeats. */
  advance(ms: number): Promise<void>;
  /** Asks for a flush, as a worker with a full ledger does. */
  flush(): Promise<void>;
  /** Asks for a drain, as a worker does at the end of its shard, or before a stop. */
  drain(): Promise<void>;
  /** Revokes the lease of this shard. The next item of the shard is delivered under a new fence. */
  revoke(shardId: string): Promise<void>;
  /** Fires `ctx.signal`, as a stop does. */
  stop(): void;
  /** The acknowledged items, as they were given, in the order of acknowledgement. No skipped and no parked items. */
  readonly acknowledged: readonly DrivenItem[];
  /** What `ctx.emit` was called with by calls that have succeeded, in order. Here a value is done at once. */
  readonly emitted: readonly unknown[];
  /** The items that the failure policy skipped. */
  readonly skipped: readonly DrivenItem[];
  /** The items that a sink of the policy `park` keeps. */
  readonly parked: readonly DrivenItem[];
  /** Shards that the failure policy stopped. */
  readonly stopped: readonly string[];
  /** The state; with `stateBy: 'shard'` a Map from shard id to state. */
  readonly state: unknown;
  /** The error that crashed the reducer. A crashed reducer does nothing more. */
  readonly failed: Error | undefined;
  /** The counters of the reducer: `strayAcknowledgements`, `foldedAfterLoss`, … */
  readonly counts: Readonly<Record<string, number>>;
  /** The events that the reducer emitted, in order. */
  readonly events: readonly KinactEvent[];
}

/**
 * Drives a reducer definition: calls `init`, `reduce`, `flush`, `behaviour` or `process` exactly as a consumer does.
 *
 * @example
 * ```ts
 * const driver = drive(totals);
 * await driver.items([{ key: 'a' }, { key: 'b' }]);
 * await driver.advance(1_000);
 * expect(driver.acknowledged).to.have.length(2);
 * ```
 *
 * @throws the error of `init`, or KinactError INVALID_OPTION; the methods of the driver throw INVALID_OPTION too.
 */
export function drive(definition: ReducerDefinition, options: DriveOptions = {}): Driver {
  const { onFailure, flushIntervalMs } = resolveTable(driveTable, options, '');
  checkReducerShape(definition, 'definition');
  defineReducer(membersOf(definition, 'definition') as unknown as FoldingReducer);

  const clock = new ManualClock();
  const runner = createRunner(definition, onFailure, clock, flushIntervalMs);
  const { stage, state } = runner;

  const deliver = (message: ReducerActorMessage): void => runner.deliver(message);
  const rest = (): Promise<void> => runner.rest();

  const leases = new Map<string, DrivenLease>();
  let [ordinal, messageNumber, fence, beatAt] = [0, 0, 0, flushIntervalMs];

  const punctuate = (kind: 'flush' | 'drain'): Promise<void> => {
    deliver({ type: 'punctuation', stage, number: (messageNumber += 1), id: 0, shardWorker: fence, kind });
    return rest();
  };

  const leaseOf = (shardId: string): DrivenLease => {
    let lease = leases.get(shardId);
    if (lease === undefined) leases.set(shardId, (lease = createLease(shardId, (fence += 1))));
    return lease;
  };

  return {
    items: async (items) => {
      checkItems(items);
      const delivered = items.map((item) => {
        const { tenure } = leaseOf(item.shardId ?? 'shard');
        const made = makeItem(item, (ordinal += 1), { tenure, stage, now: clock.wallNow() });
        runner.given.set(made.ordinal, item);
        return made;
      });
      deliver({ type: 'items', stage, number: (messageNumber += 1), items: delivered });
      return rest();
    },
    advance: async (ms) => {
      milliseconds(0).parse(ms, 'ms');
      for (const until = clock.now() + ms; ; beatAt += flushIntervalMs) {
        await clock.advance(Math.min(beatAt, until) - clock.now());
        await rest();
        if (beatAt > until) return;
        deliver({ type: 'heartbeat' });
        await rest();
      }
    },
    flush: () => punctuate('flush'),
    drain: () => punctuate('drain'),
    revoke: async (shardId) => {
      const lease = leases.get(shardId);
      if (lease === undefined) return refuse('shardId', 'a shard with delivered items', shardId);

      leases.delete(shardId);
      endLease(lease);

      const { shardWorkerNumber: shardWorker, source, fence: lost } = lease.tenure;
      deliver({ type: 'revoked', stage, number: (messageNumber += 1), shardWorker, source, shardId, fence: lost });
      return rest();
    },
    stop: () => runner.stop(),
    acknowledged: runner.acknowledged,
    emitted: runner.emitted,
    skipped: runner.skipped,
    parked: runner.parked,
    get stopped() {
      return [...leases].filter(([, { tenure }]) => tenure.stopError !== undefined).map(([shardId]) => shardId);
    },
    get state() {
      const { slots } = state;
      if (definition.stateBy !== 'shard') return slots.get(sharedSlot)?.state;
      return new Map([...leases].map(([shardId, { tenure }]) => [shardId, slots.get(tenure.shardWorkerNumber)?.state]));
    },
    get failed() {
      return runner.failed();
    },
    counts: runner.counts,
    events: runner.events,
  };
}

interface Runner {
  readonly stage: Ref<StageMessage>;
  readonly state: ReducerState;
  readonly given: Map<number, DrivenItem>;
  readonly acknowledged: DrivenItem[];
  readonly emitted: unknown[];
  readonly skipped: DrivenItem[];
  readonly parked: DrivenItem[];
  readonly counts: Record<string, number>;
  readonly events: KinactEvent[];
  deliver(message: ReducerActorMessage): void;
  /** Resolves when no call is under way and no message waits. */
  rest(): Promise<void>;
  stop(): void;
  failed(): Error | undefined;
}

/** Carries out the reducer's effects, as a runtime does. */
function createRunner(
  definition: ReducerDefinition,
  onFailure: OnFailure,
  clock: ManualClock,
  flushIntervalMs: number,
): Runner {
  const stage = ref<StageMessage>('stage/driven');
  const self = ref<ReducerActorMessage>('reducer/driven');
  const pipe = ref<PipeFeed | ReducerRequest>('pipe/driven');

  const mail: ReducerActorMessage[] = [];
  const running = new Set<Promise<void>>();
  const timers = new Map<string, () => void>();

  const [counts, events, given]: [Record<string, number>, KinactEvent[], Runner['given']] = [{}, [], new Map()];
  const acknowledged: DrivenItem[] = [];
  const emitted: unknown[] = [];
  let news = 0;
  const skipped: DrivenItem[] = [];
  const parked: DrivenItem[] = [];
  const givenUp = new Map<string, DrivenItem[]>();

  let failed: Error | undefined;
  let handling = false;

  const settleItem = (ordinal: number): void => {
    const item = given.get(ordinal);
    if (item === undefined) return;
    given.delete(ordinal);
    const number = item.sequenceNumber ?? String(ordinal);
    (givenUp.get(number) ?? acknowledged).push(item);
    givenUp.delete(number);
  };

  const readDispositions = (message: StageMessage): void => {
    if (message.type !== 'disposed') return;
    for (const { ordinals } of message.dispositions) for (const ordinal of ordinals) settleItem(ordinal);
  };

  const readFeed = (feed: PipeFeed): void => {
    news += 1;
    const answer = answerFeed(feed, news, emitted);
    if (answer !== undefined) deliver(answer);
  };

  const startCall = (effect: Extract<Effect<ReducerActorMessage>, { type: 'run' }>): void => {
    const call = (async () => effect.start(new AbortController().signal))();
    const over = call.then(
      (result) => deliver(effect.done(result as never)),
      (error: unknown) => deliver(effect.failed(error)),
    );
    running.add(over);
    void over.then(() => running.delete(over));
  };

  const carryOutEffect = (effect: Effect<ReducerActorMessage>): void => {
    if (effect.type === 'send' && effect.to.id === pipe.id) readFeed(effect.message as PipeFeed);
    else if (effect.type === 'send') readDispositions(effect.message as StageMessage);
    else if (effect.type === 'run') startCall(effect);
    else if (effect.type === 'count') counts[effect.what] = (counts[effect.what] ?? 0) + (effect.by ?? 1);
    else if (effect.type === 'fail') failed ??= effect.error;
    else if (effect.type === 'cancel') timers.get(effect.key)?.();
    else if (effect.type === 'after') {
      timers.get(effect.key)?.();
      timers.set(
        effect.key,
        clock.after(effect.ms, () => deliver(effect.message)),
      );
    } else if (effect.type === 'emit') {
      events.push(effect.event);
      const { name, data } = effect.event;
      if (name === 'recordSkipped') givenUp.set(data.sequenceNumber, skipped);
      else if (name === 'itemParked') givenUp.set(data.sequenceNumber, parked);
    }
  };

  function deliver(message: ReducerActorMessage): void {
    mail.push(message);
    if (handling) return;
    handling = true;
    for (let next = mail.shift(); next !== undefined; next = mail.shift()) {
      if (failed !== undefined) continue;
      for (const effect of behaviour.receive(state, next)[1]) if (failed === undefined) carryOutEffect(effect);
    }
    handling = false;
  }

  const batch = batchOf(definition, flushIntervalMs);
  const behaviour: Behaviour<ReducerState, ReducerActorMessage> = reducer({
    index: 0,
    definition,
    pipe,
    stages: [stage],
    credit: Infinity,
    batchSize: batch.size,
    batchIntervalMs: batch.intervalMs,
    application: 'drive',
    onFailure,
    answerDeadlineMs: 30_000,
    clock,
    random: { next: () => 1 },
    progress: { settled: 0 },
    sendFromOutside: (_: unknown, message: ReducerActorMessage) => queueMicrotask(() => deliver(message)),
  } satisfies ReducerOptions);

  const [state] = behaviour.initial(self);

  const rest = async (): Promise<void> => {
    await clock.advance(0);
    while (running.size > 0 && failed === undefined) {
      await Promise.race(running);
      await clock.advance(0);
    }
  };
  return {
    stage,
    state,
    given,
    acknowledged,
    emitted,
    skipped,
    parked,
    counts,
    events,
    deliver,
    rest,
    stop: () => void behaviour.stopped?.(state, 'shutdown'),
    failed: () => failed,
  };
}

let lastRefId = 0;

function ref<Message>(path: string): Ref<Message> {
  return Object.freeze({ path, id: (lastRefId -= 1) }) as Ref<Message>;
}
