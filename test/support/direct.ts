// Calls `initial` and `receive` of a behaviour as plain functions. There is no runtime: the test carries out an effect by hand, or
// leaves it undone. Nothing happens by itself, and time passes only by `move` and `sleep`.
import type { Behaviour, Effect, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import type { Clock, UserRecord } from '../../src/api/ports.js';
import type { KinactEvent } from '../../src/api/events.js';

type Effects<Message> = readonly Effect<Message>[];

/** `sleep`: the machine sleeps, and its monotonic clock stands still. A negative time sets the wall clock back. */
export function handClock(): Clock & { move(ms: number): void; sleep(ms: number): void } {
  let passed = 0;
  let slept = 0;
  return {
    now: () => 1_000 + passed,
    wallNow: () => 1_700_000_000_000 + passed + slept,
    move: (ms) => void (passed += ms),
    sleep: (ms) => void (slept += ms),
  };
}

let lastId = 0;

export function ref<Message>(path: string): Ref<Message> {
  lastId += 1;
  return Object.freeze({ path, id: lastId });
}

let lastQuestion = 0;

/** A reply address with a higher question number than all earlier ones. */
export function address<A>(asker: Ref<never>): ReplyTo<A> {
  lastQuestion += 1;
  return { asker, question: lastQuestion };
}

/** A tenure that never ends by itself. `shardWorker` is also its fence. */
export function tenureOf(shardWorker: number, more: Partial<Tenure> = {}): Tenure {
  const shardId = `shardId-${shardWorker}`;
  return {
    shardWorkerNumber: shardWorker,
    leaseKey: shardId,
    shardId,
    source: 'orders',
    idempotencyPrefix: `orders@1/${shardId}`,
    fence: shardWorker,
    start: { type: 'trimHorizon' },
    deadline: Infinity,
    wallDeadline: Infinity,
    ended: false,
    signal: new AbortController().signal,
    ...more,
  };
}

/** Record number `n` of a shard. */
export function recordOf(n: number, partitionKey = 'k'): UserRecord & { readonly partitionKey: string } {
  return { sequenceNumber: String(n), partitionKey, data: Buffer.of(n) };
}

export interface Stepped<Message, Status> {
  readonly first: Effects<Message>;
  /** One call of `receive`. */
  tell(message: Message): Effects<Message>;
  status(): Status;
  /** The runtime stops the actor. */
  stop(): Effects<Message>;
}

export function stepped<State, Message, Status extends object>(
  behaviour: Behaviour<State, Message, Status>,
  self: Ref<Message>,
): Stepped<Message, Status> {
  const [begun, first] = behaviour.initial(self);
  let state = begun;
  return {
    first,
    tell: (message) => {
      const [next, effects] = behaviour.receive(state, message);
      state = next;
      return effects;
    },
    status: () => behaviour.status!(state),
    stop: () => behaviour.stopped!(state, 'shutdown'),
  };
}

export function ofType<Message, Type extends Effect<Message>['type']>(
  effects: Effects<Message>,
  type: Type,
): Extract<Effect<Message>, { readonly type: Type }>[] {
  return effects.filter((effect): effect is Extract<Effect<Message>, { readonly type: Type }> => effect.type === type);
}

/** The messages that are sent to this actor, in order. */
export function sent<Message, Sent>(effects: Effects<Message>, to: Ref<Sent>): Sent[] {
  return ofType(effects, 'send').flatMap((effect) => (effect.to.id === to.id ? [effect.message as Sent] : []));
}

/** The answers to this question. */
export function answers<Message, A>(effects: Effects<Message>, to: ReplyTo<A>): A[] {
  return ofType(effects, 'reply').flatMap((effect) => (effect.to.question === to.question ? [effect.answer as A] : []));
}

export interface Asked<Message, Question> {
  readonly question: Question;
  /** Returns the message that carries the answer. */
  answered(answer: unknown): Message;
  failed(error: Error): Message;
}

/** The questions to this actor, in order. */
export function asked<Message, Question>(effects: Effects<Message>, to: Ref<Question>): Asked<Message, Question>[] {
  return ofType(effects, 'ask').flatMap((effect) => {
    if (effect.to.id !== to.id) return [];
    const question = effect.question(address(effect.to)) as Question;
    return [{ question, answered: (answer) => effect.answered(answer as never), failed: effect.failed }];
  });
}

/** The names of the `run` effects. */
export function started<Message>(effects: Effects<Message>): string[] {
  return ofType(effects, 'run').map(({ name }) => name);
}

/** Carries out the `run` effect, which must be the only one. Resolves to the message with its result. */
export async function finish<Message>(effects: Effects<Message>): Promise<Message> {
  const [work, ...more] = ofType(effects, 'run');
  if (work === undefined || more.length > 0) throw new Error(`one piece of work, not ${started(effects).join()}`);
  try {
    return work.done((await work.start(new AbortController().signal)) as never);
  } catch (error) {
    return work.failed(error);
  }
}

export function counted<Message>(effects: Effects<Message>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { what, by = 1 } of ofType(effects, 'count')) counts[what] = (counts[what] ?? 0) + by;
  return counts;
}

export function emitted<Message>(effects: Effects<Message>): KinactEvent['name'][] {
  return ofType(effects, 'emit').map(({ event }) => event.name);
}
