// The application of a drawn reducer, and the laws about what it sees. It fails as drawn until it recovers; each of its calls, policies
// and sinks may also answer later. Used by test/properties/reducer.property.test.ts.
import type { DeliveredItem } from '../../actors/protocol/item.js';
import type { ReducerOptions } from '../../actors/reducer/reducer.js';
import { NonRetryableError, type FailurePolicy } from '../../src/api/failure-policy.js';
import { createRateLimit, type RateLimit } from '../../src/core/rate-limit.js';
import { park } from '../../src/options/park-policy.js';
import { retry } from '../../src/options/retry-policy.js';
import { reducerWorld, tick, type Mark } from './reducer-world.js';

export const kinds = [
  ...['auto', 'flush', 'manual', 'manual flush', 'raw'],
  ...['process', 'concurrent', 'collectsOnly'],
] as const as readonly Kind[];
export type Kind = 'auto' | 'flush' | 'manual' | 'manual flush' | 'raw' | 'process' | 'concurrent' | 'collectsOnly';
export const outcomes = ['ok', 'throw', 'final', 'fail', 'later', 'slow', 'failThrow', 'failLater'] as const;
export type Outcome = (typeof outcomes)[number];
export const policyNames = [
  'retry',
  'park',
  'skip',
  'crash',
  'stopShard',
  'retry park',
  'retry skip',
  'park skip',
] as const;
export type PolicyName = (typeof policyNames)[number];

/** What is drawn about a reducer and its application. */
export interface Scene {
  readonly kind: Kind;
  readonly batchSize: number;
  readonly credit: number;
  readonly byShard: boolean;
  readonly timeoutMs: number | undefined;
  /** Items per second, and how many may begin at once. */
  readonly limit: { readonly perSecond: number; readonly tokens: number } | undefined;
  readonly policies: readonly PolicyName[];
  readonly answers: readonly ('now' | 'promise' | 'later')[];
  readonly calls: readonly Outcome[];
  readonly sinks: readonly ('kept' | 'refused' | 'final' | 'later')[];
  /** Values that fail whenever they are handed out, modulo 7. */
  readonly bad: readonly number[];
}

/** Something of the application that ends when the test says so. */
interface OpenCall {
  readonly end: (error?: Error) => void;
}

type Status = 'running' | 'folded' | 'failed' | 'failedByHand' | 'done';
/** State of a reducer with `flush`: what is in it. */
type State = { readonly items: readonly DeliveredItem[] };
type Context = { ack(token: unknown): void; fail(token: unknown, error: unknown): void };

const perKey = (item: DeliveredItem): string => `${item.tenure.shardWorkerNumber} ${item.key}`;

export function drawnReducer(scene: Scene) {
  const { kind, limit: drawn } = scene;
  const open: OpenCall[] = [];
  const statuses = new Map<DeliveredItem, Status>();
  const justified = new Set<DeliveredItem>();
  const unacknowledged = new Map<DeliveredItem, Context>();
  const lastContext: { context?: Context } = {};
  const count = { handed: 0, call: 0, answer: 0, sink: 0, running: 0 };
  const life = { isWell: false, isDown: false };
  const isManual = kind === 'manual' || kind === 'manual flush' || kind === 'raw';
  const maxCalls = kind === 'concurrent' ? 2 : 1;

  const limit: RateLimit | undefined = drawn && createRateLimit(drawn.perSecond, 1_000);
  // So large a bucket never overflows: each token that was ever there can be accounted for.
  if (limit !== undefined && drawn !== undefined)
    limit.bucket = { capacity: 1e9, perSecond: drawn.perSecond, tokens: drawn.tokens, updatedAt: 1_000 };

  const next = (): Outcome => {
    const outcome = scene.calls[(count.call += 1) % scene.calls.length]!;
    return life.isWell && outcome !== 'slow' ? 'ok' : outcome;
  };
  const isBad = ({ ordinal }: DeliveredItem): boolean =>
    !life.isWell && (life.isDown || scene.bad.includes(ordinal % 7));
  const later = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const call: OpenCall = {
        end: (error) => {
          open.splice(open.indexOf(call), 1);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      open.push(call);
    });

  /** The application gets an item. */
  const handed = (item: DeliveredItem, before: readonly DeliveredItem[] = []): void => {
    const { tenure, ordinal } = item;
    count.handed += 1;
    if (tenure.ended || tenure.deadline <= on.clock.now())
      on.complain(`handed: item ${ordinal} of a lease that has ended`);
    if (statuses.get(item) === 'running') on.complain(`handed: item ${ordinal} is in two calls`);
    if (statuses.get(item) === 'done') on.complain(`handed: item ${ordinal} again, after its end`);
    checkOrder(item, before, ['folded', 'done', 'failedByHand'], 'handed');
    statuses.set(item, 'running');
  };
  const checkOrder = (
    item: DeliveredItem,
    before: readonly DeliveredItem[],
    good: readonly Status[],
    what: string,
  ): void => {
    for (const earlier of on.shardWorker(item.tenure.shardWorkerNumber).items) {
      if (earlier === item) return;
      if (perKey(earlier) !== perKey(item) || before.includes(earlier)) continue;
      const status = isOver(earlier) ? 'done' : statuses.get(earlier);
      if (status === undefined || !good.includes(status))
        on.complain(`order: ${item.ordinal} is ${what} before ${earlier.ordinal} (${status})`);
    }
  };
  const isOver = (item: DeliveredItem): boolean =>
    on.settled.has(item) || kept.has(item) || isSkipped(item) || (isManual && justified.has(item));
  const isSkipped = (item: DeliveredItem): boolean => on.skipped.has(`${item.shardId} ${item.sequenceNumber}`);
  /** The application has done its work for these items. */
  const effective = (items: readonly DeliveredItem[]): void => {
    for (const item of items) {
      if (!justified.has(item)) checkOrder(item, items, ['folded', 'done', 'failedByHand'], 'done');
      justified.add(item);
      statuses.set(item, 'folded');
    }
  };
  const begin = (): void => {
    count.running += 1;
    if (count.running > maxCalls) on.complain(`calls: ${count.running} at once`);
  };
  const failed = (items: readonly DeliveredItem[], status: Status = 'failed'): void => {
    for (const item of items) {
      if (!isOver(item)) statuses.set(item, status);
      unacknowledged.delete(item);
    }
  };
  /** Ends a call as drawn. `fail`: the items that `ctx.fail` is called for. */
  const play = (
    items: readonly DeliveredItem[],
    context: Context,
    {
      succeed,
      isFold = false,
    }: { readonly succeed: (failedOnes: readonly DeliveredItem[]) => unknown; readonly isFold?: boolean },
  ): unknown => {
    begin();
    if (items.length > 0 && context.ack !== undefined) lastContext.context = context;
    const outcome = next();
    const end = (): unknown => {
      count.running -= 1;
      if (items.some(isBad) && (isFold || items.length > 0)) {
        failed(items);
        throw new Error('bad');
      }
      return succeed([]);
    };
    const broken = (error: Error): never => {
      count.running -= 1;
      failed(items);
      throw error;
    };
    if (outcome === 'throw') return broken(new Error('no'));
    if (outcome === 'final') return broken(new NonRetryableError('never'));
    if (outcome === 'later') return later().then(end, broken);
    if (outcome === 'slow') on.clock.move(12);
    if (outcome.startsWith('fail') && items.length > 0) {
      const some = [items[0]!];
      for (const item of some) {
        failed([item], 'failedByHand');
        context.fail(item.token, new Error('by hand'));
      }
      if (outcome === 'failThrow') return broken(new Error('and thrown'));
      const after = (): unknown => {
        count.running -= 1;
        return succeed(some);
      };
      return outcome === 'fail' ? after() : later().then(after, broken);
    }
    return end();
  };

  const fold = {
    init: (): State => ({ items: [] }),
    reduce: (state: State, given: unknown, context: Context): unknown => {
      const item = given as DeliveredItem;
      handed(item, state.items);
      if (isManual) unacknowledged.set(item, context);
      return play([item], context, {
        isFold: true,
        succeed: ([byHand]) => {
          if (byHand !== undefined) {
            unacknowledged.delete(item);
            return state;
          }
          if (kind === 'auto') effective([item]);
          else statuses.set(item, 'folded');
          if (isManual && count.call % 3 === 0) acknowledge(item);
          return kind === 'auto' || kind === 'manual' ? state : { items: [...state.items, item] };
        },
      });
    },
  };
  const flush = (state: State): unknown => {
    const { items } = state;
    return play(
      kind === 'collectsOnly' ? items.filter(isBad) : [],
      { ack: undefined as never, fail: () => {} },
      {
        succeed: () => {
          if (kind === 'flush' || kind === 'collectsOnly') effective(items);
          return { items: [] };
        },
      },
    );
  };
  const process = (given: readonly unknown[], context: Context): unknown => {
    const items = given as readonly DeliveredItem[];
    const got: DeliveredItem[] = [];
    for (const item of items) {
      handed(item, got);
      got.push(item);
    }
    return play(items, context, { succeed: (byHand) => effective(items.filter((item) => !byHand.includes(item))) });
  };
  const behave = (
    state: State,
    message: { readonly type: string; readonly items?: readonly unknown[] },
    context: Context,
  ): unknown => {
    const items = (message.items ?? []) as readonly DeliveredItem[];
    const got: DeliveredItem[] = [];
    for (const item of items) {
      handed(item, got);
      got.push(item);
      unacknowledged.set(item, context);
    }
    return play(items, context, {
      succeed: (byHand) => {
        for (const item of byHand) unacknowledged.delete(item);
        for (const item of items.filter((each) => !byHand.includes(each))) {
          statuses.set(item, 'folded');
          if (item.ordinal % 2 === 0) acknowledge(item);
        }
        return state;
      },
    });
  };
  const acknowledge = (item: DeliveredItem): void => {
    const context = unacknowledged.get(item);
    unacknowledged.delete(item);
    if (context === undefined) return;
    justified.add(item);
    context.ack(item.token);
  };

  const kept = new Set<DeliveredItem>();
  const sink = async ({
    sequenceNumber,
    shardId,
  }: {
    readonly sequenceNumber: string;
    readonly shardId: string;
  }): Promise<void> => {
    const outcome = life.isWell ? 'kept' : scene.sinks[(count.sink += 1) % scene.sinks.length]!;
    const items = [...on.shardWorkers.values()].flatMap((shardWorker) => shardWorker.items);
    const item = items.find((each) => each.sequenceNumber === sequenceNumber && each.shardId === shardId)!;
    if (kept.has(item)) on.complain(`parked: item ${item.ordinal} twice`);
    if (outcome === 'refused') throw new Error('full');
    if (outcome === 'final') throw new NonRetryableError('too large');
    if (outcome === 'later') await later();
    kept.add(item);
    justified.add(item);
  };
  const policies: Readonly<Record<PolicyName, FailurePolicy>> = {
    ...{ skip: 'skip', crash: 'crash', stopShard: 'stopShard' },
    retry: retry({ minMs: 100, maxMs: 800 }),
    park: park(sink),
    'park skip': park(sink, { then: 'skip' }),
    'retry park': retry({ minMs: 10, maxMs: 100, attempts: 3, then: park(sink) }),
    'retry skip': retry({ minMs: 10, maxMs: 100, attempts: 2, then: 'skip' }),
  };
  const onFailure: ReducerOptions['onFailure'] = (_, { sequenceNumber }) => {
    const policy = policies[scene.policies[Number(sequenceNumber || 0) % scene.policies.length]!];
    const answer = scene.answers[(count.answer += 1) % scene.answers.length]!;
    if (answer === 'now') return policy;
    return answer === 'promise' || life.isWell ? Promise.resolve(policy) : later().then(() => policy);
  };

  const timed = scene.timeoutMs === undefined ? {} : { timeoutMs: scene.timeoutMs };
  const shard = scene.byShard ? { stateBy: 'shard' } : {};
  const definitions: Readonly<Record<Kind, object>> = {
    auto: { ...fold, ...shard },
    flush: { ...fold, ...shard, flush },
    manual: { ...fold, ...shard, acknowledge: 'manual' },
    'manual flush': { ...fold, ...shard, flush, acknowledge: 'manual' },
    raw: { init: fold.init, behaviour: behave },
    process: { process },
    concurrent: { process, concurrency: maxCalls },
    collectsOnly: { ...fold, flush, collectsOnly: true },
  };

  /** What is settled has a reason, and a drain names all that is left. */
  const drained = (mark: Mark, waiting: readonly number[]): void => {
    const { tenure } = on.shardWorker(mark.shardWorker);
    if (mark.kind !== 'drain' || tenure.ended) return;
    for (const item of mark.before) {
      const isNamed = on.settled.has(item) || waiting.includes(item.ordinal);
      // What the application has said by hand may be on its way.
      const isByHand =
        isManual && (unacknowledged.has(item) || justified.has(item) || statuses.get(item) === 'failedByHand');
      if (!isNamed && !isByHand)
        on.complain(`drain: item ${item.ordinal} is neither settled nor named (${statuses.get(item)})`);
    }
  };
  const on = reducerWorld(
    {
      definition: { ...definitions[kind], ...timed } as ReducerOptions['definition'],
      ...{ batchSize: scene.batchSize, credit: scene.credit, onFailure },
      ...(limit === undefined ? {} : { limit }),
    },
    { drained },
  );

  /** Laws that hold after each step. */
  const check = (): void => {
    for (const item of on.settled.keys())
      if (!justified.has(item) && !isSkipped(item))
        on.complain(`settled: item ${item.ordinal} without its work being done`);
    if (limit === undefined || drawn === undefined || limit.changes > 1) return;
    if (limit.reserved < -1e-6) on.complain(`tokens: ${limit.reserved} are reserved`);
    const most = drawn.tokens + (drawn.perSecond * (on.clock.now() - 1_000)) / 1_000;
    if (count.handed > most + 1) on.complain(`tokens: ${count.handed} items were handed out, at most ${most} may be`);
  };

  /** Everything is well from now on: calls end, sinks keep, time passes until nothing is left to do. */
  const recover = async (): Promise<void> => {
    life.isWell = true;
    for (const [number, { tenure }] of on.shardWorkers)
      if (tenure.ended || tenure.deadline <= on.clock.now()) on.revoke(number);
    for (let round = 0; round < 2_000 && on.world.crash === undefined; round += 1) {
      await on.deliver();
      if (open.length > 0) {
        open[0]!.end();
        await tick();
      } else if (unacknowledged.size > 0) {
        for (const item of [...unacknowledged.keys()]) acknowledge(item);
      } else if (on.mailbox.length === 0) {
        for (const [number, { tenure }] of on.shardWorkers) if (tenure.ended) on.revoke(number);
        if (on.mailbox.length > 0) continue;
        const at = on.nextTimerAt();
        if (at === Infinity) return;
        await on.pass(at - on.clock.now());
      }
      check();
    }
    if (on.world.crash === undefined)
      on.complain(`end: it never comes to rest; timers: ${[...on.timers.keys()].join(' ')}`);
  };

  return {
    ...on,
    on,
    life,
    open,
    limit,
    count,
    unacknowledged,
    lastContext,
    statuses,
    isSkipped,
    acknowledge,
    check,
    recover,
    isManual,
    kept,
  };
}

export type DrawnReducer = ReturnType<typeof drawnReducer>;

/** Laws for the end: nothing is left. */
export function checkEnd({ scene, drawn: d }: { readonly scene: Scene; readonly drawn: DrawnReducer }): void {
  const { on, limit } = d;
  const state = on.state();
  const { batching, keys, pendingFailures } = state;
  const left: Readonly<Record<string, number>> = {
    ...{ queue: state.queue.length, carry: state.carry.length, unacknowledged: state.unacknowledged.size },
    ...{
      unflushed: state.unflushed,
      folded: [...state.slots.values()].reduce(
        (sum, slot) => sum + (scene.kind === 'manual' ? 0 : slot.folded.length),
        0,
      ),
    },
    ...{ keys: keys.byKey.size, outage: keys.outage === undefined ? 0 : 1 },
    ...{ waitingCall: state.waitingCall === undefined ? 0 : 1 },
    ...{
      pending: pendingFailures.byNumber.size,
      called: pendingFailures.called.size,
      parkings: pendingFailures.queued.length,
    },
    ...{
      tasks: batching.tasks.size,
      idle: batching.idle.length,
      calls: batching.calls.size,
      open: batching.open.length,
    },
    ...{
      marks: batching.marks.length,
      lanes: batching.lanes?.byKey.size ?? 0,
      lanesWaiting: batching.lanes?.waiting ?? 0,
    },
    ...{
      free: batching.lanes?.free.length ?? 0,
      credited: state.reports.credited.size,
      drains: state.deferredDrains.length,
    },
    ...{
      punctuation: state.punctuationInQueue,
      reservation: state.reservation === undefined ? 0 : 1,
      timed: state.contexts.timed.size,
    },
    ...{ running: on.running.size, timers: on.timers.size, reserved: limit?.reserved ?? 0 },
  };
  for (const [name, number] of Object.entries(left)) if (number !== 0) on.complain(`left: ${number} of ${name}`);
  for (const { credit } of on.stages)
    if (credit !== scene.credit) on.complain(`credit: ${scene.credit - credit} are missing`);
  for (const [id, { isAnswered, shardWorker }] of on.marks)
    if (!isAnswered && !on.shardWorker(shardWorker).tenure.ended) on.complain(`punctuation: ${id} was never answered`);
  for (const { tenure, items } of on.shardWorkers.values())
    for (const item of items)
      if (!tenure.ended && !on.settled.has(item))
        on.complain(`settled: item ${item.ordinal} never is (${d.statuses.get(item)})`);
  if (limit?.bucket === undefined || limit.changes > 1 || scene.limit === undefined) return;
  const given = scene.limit.tokens + (scene.limit.perSecond * (limit.bucket.updatedAt - 1_000)) / 1_000;
  const used = given - limit.bucket.tokens;
  if (Math.abs(used - d.count.handed) > 1e-3)
    on.complain(`tokens: ${used} were used for ${d.count.handed} items that were handed out`);
}
