// Drives one lease keeper, `me`, message by message: it calls `receive` as a plain function, and carries out the effects. The table
// is in memory (`store`), and only the test moves the clock (`advance`, `suspend`). The test plays the other actors:
// - a shard worker: `startShardWorker` asks for a tenure and gets it, and `reportFrontier` says what the shard worker has settled.
//   `endShardWorker` sends its last message, and `killShardWorker` is its death without a last message;
// - the coordinator: `tell` sends its orders, `news` has the keeper's notices, `plan` answers a question about the end of the shard.
import type { HookMessage } from '../../actors/protocol/hook-call.js';
import type { Effect, Ending, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import type { LeaseCoordinatorRequest, ShardEndPlan } from '../../actors/lease-coordinator/lease-coordinator.js';
import {
  leaseKeeper,
  type LeaseKeeperRequest,
  type KeeperNews,
  type KeeperNotice,
  type LeaseKeeperMessage,
  type LeaseKeeperOptions,
  type LeaseKeeperState,
  type ShardWorkerRequest,
} from '../../actors/lease-keeper/lease-keeper.js';
import type { Tenure, TenureAnswer, ShardWorkerEnd } from '../../actors/protocol/tenure.js';
import type { LeaseRow } from '../../src/core/lease.js';
import type { KinactEvent } from '../../src/api/events.js';
import { leaseRow, memoryLeaseStore, type MemoryLeaseStore } from './memory-lease-store.js';

export const shardId = 'shardId-000000000000';
export const me = 'me';
export const nonce = 'n1';
export const writer = 'n1/7';
export const failoverMs = 9_000;
export const marginMs = 900;

type AskShardEnd = Extract<LeaseCoordinatorRequest, { readonly type: 'askShardEnd' }>;

export interface KeeperDriver {
  readonly store: MemoryLeaseStore;
  readonly clock: { now: number; wall: number };
  readonly state: LeaseKeeperState;
  /** The notices to the coordinator, oldest first. */
  readonly news: KeeperNews[];
  readonly events: KinactEvent[];
  readonly counts: Map<string, number>;
  /** The messages to the control reference of each worker. */
  readonly controls: Map<number, ShardWorkerRequest[]>;
  readonly answers: Map<number, TenureAnswer>;
  /** Questions about the end of the shard that are not answered yet. */
  readonly questions: AskShardEnd[];
  readonly timers: Map<string, number>;
  readonly ended: boolean;
  readonly row: LeaseRow;
  tell(message: LeaseKeeperRequest | HookMessage | { readonly type: 'nonsense' }): Promise<void>;
  askForTenure(shardWorker: number): Promise<TenureAnswer | undefined>;
  /** Asks for a tenure as this worker, and expects to get it. */
  startShardWorker(shardWorker: number): Promise<Tenure>;
  /** Reports a frontier. `records`: how many records of this worker it covers. Default: one more than before. */
  reportFrontier(
    tenure: Tenure,
    sequenceNumber: string,
    more?: { readonly subSequenceNumber?: number; readonly records?: number },
  ): Promise<void>;
  endShardWorker(tenure: Tenure, how: ShardWorkerEnd): Promise<void>;
  /** The worker's actor dies without a last message, and the death watch tells the keeper. */
  killShardWorker(shardWorker: number, how?: Partial<Ending>): Promise<void>;
  plan(plan: ShardEndPlan): Promise<void>;
  /** The coordinator fails to answer the oldest question. */
  unanswered(): Promise<void>;
  /** Moves both clocks, and fires the timers that become due. */
  advance(ms: number): Promise<void>;
  /** Only the wall clock moves. */
  suspend(ms: number): void;
  /** Waits until nothing more happens by itself. */
  untilIdle(): Promise<void>;
  stop(reason?: 'normal' | 'shutdown' | 'crash'): void;
  status(): object | undefined;
  newsOf<Type extends KeeperNews['type']>(type: Type): Extract<KeeperNews, { readonly type: Type }>[];
  eventsOf(name: KinactEvent['name']): KinactEvent['data'][];
}

export interface KeeperSetup extends Partial<Omit<LeaseKeeperOptions, 'store'>> {
  readonly store?: MemoryLeaseStore;
}

export async function driveKeeper(setup: KeeperSetup = {}): Promise<KeeperDriver> {
  const seenRow = setup.seenRow ?? leaseRow({ leaseKey: shardId, leaseCounter: 4 });
  const store = setup.store ?? memoryLeaseStore([seenRow]);
  const clock = { now: 1_000, wall: 1_700_000_000_000 };
  const coordinator: Ref<unknown> = { path: 'lease-coordinator/t#1', id: 1 };
  const self: Ref<LeaseKeeperMessage> = { path: 'lease-keeper/s#7', id: 7 };
  const mailbox: LeaseKeeperMessage[] = [];
  const watched = new Map<number, (how: Ending) => LeaseKeeperMessage>();
  const asked: {
    answered: (answer: ShardEndPlan) => LeaseKeeperMessage;
    failed: (error: Error) => LeaseKeeperMessage;
  }[] = [];
  const due = new Map<string, { at: number; message: LeaseKeeperMessage }>();
  const running = new Map<string, AbortController>();
  const behaviour = leaseKeeper({
    handOverMs: 10_000,
    leaseKey: seenRow.leaseKey,
    shardId,
    source: 'orders',
    idempotencyPrefix: `orders/${shardId}`,
    workerId: me,
    writerPrefix: nonce,
    writer,
    initialPosition: 'TRIM_HORIZON',
    clock: { now: () => clock.now, wallNow: () => clock.wall },
    random: { next: () => 0.5 },
    failoverMs,
    marginMs,
    checkpointIntervalMs: 0,
    checkpointRecords: 0,
    callDeadlineMs: 30_000,
    coordinator,
    ...setup,
    seenRow,
    store,
  });
  /** How many records each worker has reported as settled. */
  const settled = new Map<number, number>();
  let ended = false;
  const [state, first] = behaviour.initial(self);

  const controlOf = (shardWorker: number): Ref<ShardWorkerRequest> => ({
    path: `shard-worker/s#${shardWorker}`,
    id: 1_000 + shardWorker,
  });

  function deliver(to: Ref<never>, message: unknown): void {
    if (to.id === coordinator.id) driver.news.push((message as KeeperNotice).news);
    else {
      const shardWorker = to.id - 1_000;
      driver.controls.set(shardWorker, [...(driver.controls.get(shardWorker) ?? []), message as ShardWorkerRequest]);
    }
  }

  function start(effect: Extract<Effect<LeaseKeeperMessage>, { readonly type: 'run' }>): void {
    if (running.has(effect.name)) throw new Error(`effect ${effect.name} runs twice`);
    const controller = new AbortController();
    running.set(effect.name, controller);
    const finish = (message: LeaseKeeperMessage): void => {
      running.delete(effect.name);
      if (!ended) mailbox.push(message);
    };
    let result: unknown;
    try {
      result = effect.start(controller.signal);
    } catch (error) {
      finish(effect.failed(error));
      return;
    }
    Promise.resolve(result).then(
      (value) => finish(effect.done(value as never)),
      (error: unknown) => finish(effect.failed(error)),
    );
  }

  function carryOut(effects: readonly Effect<LeaseKeeperMessage>[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case 'send':
          deliver(effect.to, effect.message);
          break;
        case 'ask':
          driver.questions.push(effect.question({ asker: self, question: 0 }) as AskShardEnd);
          asked.push({
            answered: effect.answered as (answer: ShardEndPlan) => LeaseKeeperMessage,
            failed: effect.failed,
          });
          break;
        case 'reply':
          driver.answers.set(effect.to.question, effect.answer as TenureAnswer);
          break;
        case 'run':
          start(effect);
          break;
        case 'abort':
          running.get(effect.name)?.abort(effect.reason);
          break;
        case 'after':
          due.set(effect.key, { at: clock.now + effect.ms, message: effect.message });
          driver.timers.set(effect.key, clock.now + effect.ms);
          break;
        case 'cancel':
          due.delete(effect.key);
          driver.timers.delete(effect.key);
          break;
        case 'emit':
          driver.events.push(effect.event);
          break;
        case 'count':
          driver.counts.set(effect.what, (driver.counts.get(effect.what) ?? 0) + (effect.by ?? 1));
          break;
        case 'watch':
          watched.set(effect.actor.id - 1_000, effect.down);
          break;
        case 'end':
          driver.stop('normal');
          break;
        case 'fail':
        case 'spawn':
        case 'started':
        case 'stopChild':
          throw new Error(`a keeper has no effect ${effect.type}`);
      }
    }
  }

  /** Receives all messages. Returns whether there were any. */
  function receiveAll(): boolean {
    const any = mailbox.length > 0;
    for (let message = mailbox.shift(); message !== undefined; message = mailbox.shift()) {
      if (!ended) carryOut(behaviour.receive(state, message)[1]);
    }
    return any;
  }

  async function untilIdle(): Promise<void> {
    // More turns of the microtask queue than any one call of the store takes.
    for (let idle = 0; idle < 8; idle++) {
      if (receiveAll()) idle = 0;
      await Promise.resolve();
    }
  }

  const driver = {
    store,
    clock,
    state,
    news: [] as KeeperNews[],
    events: [] as KinactEvent[],
    counts: new Map<string, number>(),
    controls: new Map<number, ShardWorkerRequest[]>(),
    answers: new Map<number, TenureAnswer>(),
    questions: [] as AskShardEnd[],
    timers: new Map<string, number>(),
    get ended() {
      return ended;
    },
    get row() {
      return store.row(seenRow.leaseKey);
    },
    untilIdle,
    tell(message: LeaseKeeperRequest | HookMessage | { readonly type: 'nonsense' }) {
      mailbox.push(message as LeaseKeeperRequest);
      return untilIdle();
    },
    async askForTenure(shardWorker: number) {
      const replyTo: ReplyTo<TenureAnswer> = { asker: self, question: shardWorker };
      await driver.tell({ type: 'beginTenure', shardWorker, shardWorkerRef: controlOf(shardWorker), replyTo });
      return driver.answers.get(shardWorker);
    },
    async startShardWorker(shardWorker: number) {
      const answer = await driver.askForTenure(shardWorker);
      if (answer?.type !== 'granted') throw new Error(`not granted: ${JSON.stringify(answer)}`);
      return answer.tenure;
    },
    reportFrontier(
      { shardWorkerNumber: shardWorker, fence }: Tenure,
      sequenceNumber: string,
      more: { readonly subSequenceNumber?: number; readonly records?: number } = {},
    ) {
      const { subSequenceNumber = 0, records: given } = more;
      const records = given ?? (settled.get(shardWorker) ?? 0) + 1;
      settled.set(shardWorker, records);
      return driver.tell({
        type: 'frontier',
        frontier: { shardWorker, fence, position: { sequenceNumber, subSequenceNumber }, records },
      });
    },
    endShardWorker({ shardWorkerNumber: shardWorker, fence }: Tenure, how: ShardWorkerEnd) {
      return driver.tell({ type: 'shardWorkerEnded', shardWorker, fence, end: how });
    },
    killShardWorker(shardWorker: number, how: Partial<Ending> = {}) {
      const down = watched.get(shardWorker);
      if (down === undefined) throw new Error(`worker ${shardWorker} is not watched`);
      mailbox.push(down({ reason: 'crash', orphans: [], ...how }));
      return untilIdle();
    },
    plan(plan: ShardEndPlan) {
      driver.questions.shift();
      mailbox.push(asked.shift()!.answered(plan));
      return untilIdle();
    },
    unanswered() {
      driver.questions.shift();
      mailbox.push(asked.shift()!.failed(new Error('stopped')));
      return untilIdle();
    },
    async advance(ms: number) {
      const until = clock.now + ms;
      for (;;) {
        const [key, next] = [...due].reduce((a, b) => (b[1].at < a[1].at ? b : a), ['', { at: Infinity }]) as [
          string,
          { at: number; message: LeaseKeeperMessage },
        ];
        const at = Math.min(next.at, until);
        clock.wall += at - clock.now;
        clock.now = at;
        if (next.at > until) return untilIdle();
        due.delete(key);
        driver.timers.delete(key);
        mailbox.push(next.message);
        await untilIdle();
      }
    },
    suspend(ms: number) {
      clock.wall += ms;
    },
    stop(reason: 'normal' | 'shutdown' | 'crash' = 'shutdown') {
      ended = true;
      due.clear();
      carryOut(behaviour.stopped?.(state, reason) ?? []);
    },
    newsOf<Type extends KeeperNews['type']>(type: Type) {
      return driver.news.filter((news): news is Extract<KeeperNews, { readonly type: Type }> => news.type === type);
    },
    eventsOf(name: KinactEvent['name']) {
      return driver.events.filter((event) => event.name === name).map((event) => event.data);
    },
    status: () => behaviour.status?.(state),
  };
  carryOut(first);
  await untilIdle();
  return driver;
}
