// A reducer actor in a world of its own: a clock, timers, a mailbox, two stages with credit, calls that end when the test says so. What
// must hold at every moment is checked here; reducer-laws.ts checks the application's view and the end. Nothing happens by itself.
import type { Effect, Ref } from '../../actors/protocol/actor.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import {
  reducer,
  type ReducerActorMessage,
  type ReducerOptions,
  type ReducerState,
} from '../../actors/reducer/reducer.js';
import { setRate, type RateLimit } from '../../src/core/rate-limit.js';
import { handClock, recordOf, ref, tenureOf } from './direct.js';

type Message = ReducerActorMessage;
export interface Timer {
  readonly at: number;
  readonly message: Message;
  isFired: boolean;
}

/** A punctuation that was sent, and what must be settled or named when a drain is answered. */
export interface Mark {
  readonly shardWorker: number;
  readonly kind: 'flush' | 'drain';
  readonly before: readonly DeliveredItem[];
  isAnswered: boolean;
}

/** A worker of a shard: its items, and whether its end was told. */
export interface ShardWorker {
  readonly tenure: Tenure;
  readonly items: DeliveredItem[];
  isRevoked: boolean;
}

/** What the test plays by itself: the stages. */
export interface Stage {
  readonly ref: Ref<StageMessage>;
  sent: number;
  received: number;
  credit: number;
}

export interface WorldOptions extends Partial<ReducerOptions> {
  readonly definition: ReducerOptions['definition'];
  readonly credit: number;
}

export const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

export function reducerWorld(
  options: WorldOptions,
  hooks: { readonly drained: (mark: Mark, waiting: readonly number[]) => void },
) {
  const clock = handClock();
  const self = ref<Message>('reducer/0#1');
  const stages: Stage[] = [0, 1].map((n) => ({
    ref: ref(`stage/${n}#${n + 2}`),
    sent: 0,
    received: 0,
    credit: options.credit,
  }));
  const mailbox: { readonly message: Message; readonly claim?: () => boolean }[] = [];
  const timers = new Map<string, Timer>();
  const running = new Map<string, AbortController>();
  const shardWorkers = new Map<number, ShardWorker>();
  const marks = new Map<number, Mark>();
  const settled = new Map<DeliveredItem, number>();
  /** The workers whose tenures had ended before the message that is handled. */
  let deadBefore: ReadonlySet<number> = new Set();
  const skipped = new Set<string>();
  const complaints: string[] = [];
  const world = { crash: undefined as unknown, ordinals: 0 };
  const complain = (text: string): void => void complaints.push(text);

  const behaviour = reducer({
    ...{ index: 0, batchSize: 2, batchIntervalMs: 1_000, onFailure: 'crash', clock },
    ...{ application: 'orders-app', answerDeadlineMs: 1_000, random: { next: () => 0.5 }, progress: { settled: 0 } },
    stages: stages.map((stage) => stage.ref),
    sendFromOutside: (_, message) => void mailbox.push({ message }),
    ...options,
  });

  const disposed = (stage: Stage, message: Extract<StageMessage, { type: 'disposed' }>): void => {
    stage.credit += message.credit;
    if (stage.credit > options.credit) complain(`credit: a stage got ${stage.credit - options.credit} too much`);
    for (const { shardWorker, ordinals, items, ended } of message.dispositions) {
      if (ordinals.length > 0 && deadBefore.has(shardWorker))
        complain(`settled: items of worker ${shardWorker}, whose lease had ended`);
      const { tenure, items: theirs } = shardWorkers.get(shardWorker)!;
      if (ended === true && !tenure.ended) complain(`dead: worker ${shardWorker} was reported, and its tenure lives`);
      ordinals.forEach((ordinal, place) => {
        const item = theirs.find((each) => each.ordinal === ordinal && each.index === items[place]);
        if (item === undefined) return complain(`settled: an item that was never sent (${ordinal})`);
        settled.set(item, (settled.get(item) ?? 0) + 1);
        if (settled.get(item)! > 1) complain(`settled: item ${ordinal} twice`);
      });
    }
  };

  const punctuated = ({ id, waiting }: Extract<StageMessage, { type: 'punctuated' }>): void => {
    const mark = marks.get(id);
    if (mark === undefined) return complain(`punctuation: ${id} was never sent`);
    if (mark.isAnswered) complain(`punctuation: ${id} was answered twice`);
    mark.isAnswered = true;
    hooks.drained(mark, waiting);
  };

  const runEffect = (effect: Extract<Effect<Message>, { type: 'run' }>): void => {
    if (running.has(effect.name)) complain(`run: two effects with the name ${effect.name}`);
    const controller = new AbortController();
    running.set(effect.name, controller);
    const ended = (make: () => Message): void => {
      running.delete(effect.name);
      mailbox.push({ message: make() });
    };
    try {
      const result: unknown = effect.start(controller.signal);
      if (result instanceof Promise)
        void result.then(
          (value) => ended(() => effect.done(value as never)),
          (error: unknown) => ended(() => effect.failed(error)),
        );
      else ended(() => effect.done(result as never));
    } catch (error) {
      ended(() => effect.failed(error));
    }
  };

  const apply = (effects: readonly Effect<Message>[]): void => {
    const failure = effects.find((effect) => effect.type === 'fail');
    for (const effect of effects) {
      // The actor has failed: what it says in the same turn is said, but nothing new begins.
      if (failure !== undefined && (effect.type === 'run' || effect.type === 'after')) continue;
      if (effect.type === 'send') {
        const stage = stages.find((each) => each.ref.id === effect.to.id)!;
        const message = effect.message as StageMessage;
        if (message.type === 'disposed' || message.type === 'punctuated') {
          stage.received += 1;
          if (message.number !== stage.received) complain(`number: ${message.number} instead of ${stage.received}`);
        }
        if (message.type === 'disposed') disposed(stage, message);
        else if (message.type === 'punctuated') punctuated(message);
      } else if (effect.type === 'run') runEffect(effect);
      else if (effect.type === 'after')
        timers.set(effect.key, { at: clock.now() + effect.ms, message: effect.message, isFired: false });
      else if (effect.type === 'cancel') timers.delete(effect.key);
      else if (effect.type === 'abort') running.get(effect.name)?.abort(effect.reason);
      else if (effect.type === 'emit' && effect.event.name === 'recordSkipped')
        skipped.add(`${effect.event.data.shardId} ${effect.event.data.sequenceNumber}`);
      else if (effect.type === 'fail') world.crash = effect.error;
    }
  };

  const [begun, first] = behaviour.initial(self);
  let state: ReducerState = begun;
  apply(first);

  const shardWorker = (number: number): ShardWorker => {
    let known = shardWorkers.get(number);
    if (known === undefined) {
      known = { tenure: tenureOf(number), items: [], isRevoked: false };
      shardWorkers.set(number, known);
    }
    return known;
  };
  const send = (stage: Stage, message: object): void => {
    stage.sent += 1;
    mailbox.push({ message: { ...message, stage: stage.ref, number: stage.sent } as Message });
  };
  /** The actor handles the messages that wait, at most this many of them. */
  const deliver = async (most = Infinity): Promise<void> => {
    for (let n = 0; n < most && world.crash === undefined; n += 1) {
      if (mailbox.length === 0) await tick();
      const next = mailbox.shift();
      if (next === undefined) return;
      if (next.claim?.() === false) continue;
      deadBefore = new Set([...shardWorkers].flatMap(([number, { tenure }]) => (tenure.ended ? [number] : [])));
      const [after, effects] = behaviour.receive(state, next.message);
      state = after;
      apply(effects);
    }
  };
  const fireDue = (): void => {
    for (const [key, timer] of timers)
      if (timer.at <= clock.now() && !timer.isFired) {
        timer.isFired = true;
        // A timer that is set again or canceled meanwhile brings nothing.
        mailbox.push({ message: timer.message, claim: () => timers.get(key) === timer && timers.delete(key) });
      }
  };
  const nextTimerAt = (): number =>
    Math.min(...[...timers.values()].map(({ at, isFired }) => (isFired ? Infinity : at)));

  return {
    ...{
      clock,
      shardWorkers,
      marks,
      settled,
      skipped,
      complaints,
      timers,
      running,
      mailbox,
      complain,
      deliver,
      shardWorker,
      stages,
      world,
    },
    state: (): ReducerState => state,
    status: (): unknown => behaviour.status!(state),
    stop: (): void => void behaviour.stopped!(state, 'shutdown'),
    /** A stage sends these items of a worker, as far as it has credit. A key belongs to one stage. */
    items: (number: number, keys: readonly number[]): void => {
      const { tenure, items, isRevoked } = shardWorker(number);
      const isDraining = [...marks.values()].some(
        (mark) => mark.shardWorker === number && mark.kind === 'drain' && !mark.isAnswered,
      );
      if (isRevoked || isDraining) return;
      for (const [place, stage] of stages.entries()) {
        const some: DeliveredItem[] = [];
        for (const key of keys) {
          if (key % stages.length !== place || stage.credit === 0) continue;
          stage.credit -= 1;
          const n = (world.ordinals += 1);
          const item = new DeliveredItem(stage.ref, `k${key}`, n, tenure, n, 0, recordOf(n), undefined);
          items.push(item);
          some.push(item);
        }
        if (some.length > 0) send(stage, { type: 'items', items: some });
      }
    },
    punctuate: (number: number, kind: 'flush' | 'drain'): void => {
      const known = shardWorkers.get(number);
      const isOpen = [...marks.values()].some((mark) => mark.shardWorker === number && !mark.isAnswered);
      if (known === undefined || known.isRevoked || isOpen) return;
      for (const stage of stages) {
        const id = marks.size + 1;
        const before = known.items.filter((item) => item.stage === stage.ref);
        marks.set(id, { shardWorker: number, kind, before, isAnswered: false });
        send(stage, { type: 'punctuation', id, shardWorker: number, kind });
      }
    },
    revoke: (number: number): void => {
      const known = shardWorkers.get(number);
      if (known === undefined || known.isRevoked) return;
      known.isRevoked = true;
      known.tenure.ended = true;
      const { source, shardId, fence } = known.tenure;
      for (const stage of stages) send(stage, { type: 'revoked', shardWorker: number, source, shardId, fence });
    },
    heartbeat: (): void => void mailbox.push({ message: { type: 'heartbeat' } }),
    setRate: (limit: RateLimit, perSecond: number | undefined): void => setRate(limit, perSecond, clock.now()),
    /** Time passes. The timers that are due fire in order; the actor handles each at once, unless it is busy. */
    pass: async (ms: number, isBusy = false): Promise<void> => {
      const until = clock.now() + ms;
      for (let at = nextTimerAt(); at <= until && world.crash === undefined; at = nextTimerAt()) {
        clock.move(Math.max(0, at - clock.now()));
        fireDue();
        if (isBusy) break;
        await deliver();
      }
      clock.move(Math.max(0, until - clock.now()));
      fireDue();
      if (!isBusy) await deliver();
    },
    nextTimerAt,
  };
}

export type ReducerWorld = ReturnType<typeof reducerWorld>;
