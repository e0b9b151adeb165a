// SubscribeToShard as one process reaches it: the model's subscriptions behind a network. Events come in order, and some come late. A
// subscription breaks, stalls or ends as a fault demands. A process that aborts is heard by the service a moment later.
import type {
  ScriptedSubscription,
  SubscriptionMessage,
} from '../../src/testing/scripted-server/scripted-subscriptions.js';
import { AwsAnswerError } from '../../src/testing/scripted-server/answer-errors.js';
import { awsError } from '../support/aws-error.js';
import { fromJson } from '../support/model-kinesis-client.js';
import type { Dice } from './dice.js';
import type { Machine } from './machine.js';
import { errorOf } from './sdk-answers.js';
import type { Where } from './subscription-laws.js';
import type { Wire } from './wire.js';
import type { World } from './world.js';

type Input = Record<string, any>;

/** The process at the other end, and what it is told. */
export interface Subscriber {
  readonly machine: Machine;
  readonly wire: Wire;
  readonly dice: Dice;
  /** Called with each event when its reader gets it. */
  readonly got: (event: Input) => void;
  /** Called when the reader asks for an event. */
  readonly pulls: () => void;
  /** Changes events on their way: see mutants/subscribing.ts. */
  readonly link?: Link | undefined;
}

/** Stands between a process and its stream, as a mutant of the reader would. */
export interface Link {
  /** A request leaves. */
  readonly sent?: (operation: string, input: Input) => Input;
  /** An answer arrives. */
  readonly answered?: (operation: string, input: Input, output: Input) => void;
  /** An event arrives; `place` has the consumer and the shard. */
  readonly event?: (place: Place, event: Input) => void;
}

/** The consumer and the shard of a subscription. */
export interface Place {
  readonly consumerArn: string;
  readonly shardId: string;
}

/** A subscription as faults see it. */
export interface Pipe extends Place {
  readonly process: string;
  readonly stream: string;
  /** Breaks it with this error in the stream. */
  breaks(name: string): void;
  /** Ends it before its time. */
  ends(): void;
  /** From now on nothing comes, and the connection stays open. */
  stalls(): void;
  readonly isStalled: () => boolean;
}

type Message = SubscriptionMessage | { readonly type: 'broken'; readonly error: Error };

/** What a service that coalesces writes lets pass before an event. */
const gatherMs = 3;

/** The event stream of one subscription, for the SDK's client. */
export function eventStream(
  world: World,
  subscription: ScriptedSubscription,
  input: Input,
  { machine, wire, dice, got, pulls, link }: Subscriber,
  signal: AbortSignal | undefined,
): { readonly events: AsyncIterable<object>; leave(): void } {
  const { clock, fanOut, layout, serviceFaults } = world;
  const { laws, pipes } = fanOut;
  const { stream, shardId } = subscription;
  const leaseKey = layout.nameOf(stream, shardId);
  const where = (): Where => ({ process: machine.name, leaseKey, at: machine.worldNow() });
  const windowSize = dice.pick([1, 1, 4]);
  /** `lateMs`: how long it was on its way. */
  const arrived: { readonly message: Message; readonly lateMs: number }[] = [];
  let underWay = 0;
  let lastArrival = 0;
  let reading: (() => void) | undefined;
  let isOver = false;
  let isStalled = false;
  let cancelTimer = (): void => {};
  let isGathering = false;

  const isKept = (): boolean => machine.alive && !isOver && signal?.aborted !== true;
  const kept = { process: machine.name, leaseKey, isKept };

  /** The service knows that nobody reads it any longer, or has sent the last message. */
  const close = (): void => {
    isOver = true;
    cancelTimer();
    unlisten();
    subscription.close();
    laws.closed(kept);
    pipes.delete(pipe);
  };

  const send = (message: Message): void => {
    const sentAt = clock.now();
    const { lost, unanswered, slow } = wire.weather;
    const isBroken = message.type !== 'broken' && dice.chance(lost + unanswered);
    const isSlow = dice.chance(slow) || fanOut.late > 0;
    if (isBroken || isSlow) wire.harm();
    const lateMs = isSlow ? dice.between(500, Math.max(6_000, fanOut.late)) : 0;
    lastArrival = Math.max(lastArrival, clock.now() + dice.between(1, 8) + lateMs);
    underWay += 1;
    const sent: Message = isBroken ? { type: 'broken', error: errorOf('kinesis', 'TimeoutError', 'reset') } : message;
    if (sent.type !== 'event') close();
    clock.after(lastArrival - clock.now(), () =>
      machine.run(() => {
        underWay -= 1;
        arrived.push({ message: sent, lateMs: clock.now() - sentAt });
        reading?.();
      }),
    );
  };

  const sendEvent = (event: Input): void => {
    const mishap = serviceFaults.meets('kinesis', 'SubscribeToShardEvent', dice);
    if (mishap !== undefined) wire.harm();
    if (mishap?.type === 'error')
      return send({ type: 'broken', error: errorOf('kinesis', mishap.name, 'in the stream') });
    const { ContinuationSequenceNumber: continuation, ...rest } = event;
    if (mishap?.type === 'noIterator' && continuation !== undefined) {
      send({ type: 'event', event: rest });
      if (!isOver) send({ type: 'end' });
      return;
    }
    if (continuation !== undefined) laws.givesOut(continuation as string);
    send({ type: 'event', event });
  };

  const pump = (): void => {
    cancelTimer();
    isGathering = false;
    if (isOver || isStalled) return;
    if (!machine.alive) return close();
    laws.look();
    while (!isOver && arrived.length + underWay < windowSize) {
      const message = subscription.next();
      if (message === undefined) {
        cancelTimer = clock.after(Math.max(1, subscription.dueAt - clock.wallNow()), pump);
        return;
      }
      if (message.type === 'event') sendEvent(message.event);
      else send(message);
    }
  };
  const gather = (): void => {
    if (isGathering || isOver || isStalled) return;
    isGathering = true;
    cancelTimer();
    cancelTimer = clock.after(gatherMs, pump);
  };
  const unlisten = subscription.onChange(gather);

  const taken = (message: Message): object | undefined => {
    if (message.type === 'event') {
      const event = fromJson(message.event as Input) as Input;
      if (signal?.aborted !== true) laws.arrived(where(), event['ContinuationSequenceNumber'] as string | undefined);
      got(event);
      link?.event?.(pipe, event);
      return { SubscribeToShardEvent: event };
    }
    if (message.type === 'end') return undefined;
    const error = message.type === 'broken' ? message.error : awsError(message.code, message.message);
    if (error.name === 'ResourceInUseException' && signal?.aborted !== true) laws.takenOver(where());
    // A client may deliver the error as a member of the event, or throw it.
    if (error.name.endsWith('Exception') && dice.chance(0.5)) return { [error.name]: error };
    throw error;
  };

  const next = (): Promise<IteratorResult<object>> =>
    new Promise((resolve, reject) => {
      pulls();
      const take = (): void => {
        const first = arrived.shift();
        if (first === undefined) return;
        const { message, lateMs } = first;
        reading = undefined;
        // Only an event says where the tip was, and what comes behind a late one is less late (seed 33 with a mutant).
        if (message.type === 'event') fanOut.lateMs.set(`${machine.name} ${leaseKey}`, lateMs);
        try {
          const value = taken(message);
          resolve(value === undefined ? { done: true, value: undefined } : { done: false, value });
        } catch (error) {
          reject(error as Error);
        }
        gather();
      };
      reading = take;
      take();
    });

  const pipe: Pipe = {
    process: machine.name,
    stream,
    shardId,
    consumerArn: input['ConsumerARN'] as string,
    breaks: (name) => {
      if (isOver) return;
      wire.harm();
      subscription.end();
      send({ type: 'broken', error: errorOf('kinesis', name, 'in the stream') });
    },
    ends: () => {
      if (isOver) return;
      wire.harm();
      subscription.end();
      send({ type: 'end' });
    },
    stalls: () => {
      if (isOver) return;
      wire.harm();
      isStalled = true;
      cancelTimer();
    },
    isStalled: () => isStalled,
  };
  pipes.add(pipe);
  laws.opened(kept);
  // Some clients deliver what comes after the abort.
  const obeys = dice.chance(0.7);
  const aborted = (): void => {
    if (obeys) reading = undefined;
    clock.after(dice.between(1, 8), close);
  };
  if (signal?.aborted === true) aborted();
  else signal?.addEventListener('abort', aborted, { once: true });
  gather();
  return { events: { [Symbol.asyncIterator]: () => ({ next }) }, leave: close };
}

/** Subscribes in the model. Throws as the SDK's client does. */
export function subscribeIn({ kinesis }: World, input: Input): ScriptedSubscription {
  const position = input['StartingPosition'] as Input;
  const at: unknown = position['Timestamp'];
  const StartingPosition = at instanceof Date ? { ...position, Timestamp: at.getTime() / 1_000 } : position;
  try {
    return kinesis.subscribe({ ...input, StartingPosition });
  } catch (error) {
    throw error instanceof AwsAnswerError ? awsError(error.code, error.message, error.status) : error;
  }
}
