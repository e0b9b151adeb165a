// Mutants of parking: what a sink has not kept is settled, a sink is not called again, or it gets more than what has failed.
import { effect } from '../../../actors/protocol/actor.js';
import type { PendingFailure } from '../../../actors/protocol/pending-failures.js';
import type { DeliveredItem } from '../../../actors/protocol/item.js';
import type { FailurePolicy, OnFailure } from '../../../src/api/failure-policy.js';
import type { ParkingSink } from '../../../src/api/parking.js';
import { given, wrapped, type AroundOf, type MessageTo, type Mutant, type StateOf } from './around.js';

/** Actors that call sinks. */
type Parker = 'reducer' | 'stage' | 'shardWorker' | 'pipeNode';

/** Counts everything that is left as kept. */
const refusedIsKept = <Kind extends Parker>(kind: Kind): Mutant['make'] => {
  const before = (state: StateOf<Parker>, message: MessageTo<Parker>): MessageTo<Parker> => {
    if (message.type !== 'parkingEnded') return message;
    const parking = state.pendingFailures.byNumber.get(message.number)?.parking;
    return { ...message, parked: parking?.notParked ?? message.parked, error: undefined } as typeof message;
  };
  return () => wrapped(kind, { before } as object as AroundOf<Kind>);
};

const withSink =
  (change: (sink: ParkingSink) => ParkingSink) =>
  <Options extends { readonly onFailure: OnFailure }>(options: Options): Options => {
    const changed = (policy: FailurePolicy): FailurePolicy =>
      typeof policy === 'object' && policy.type === 'park' ? { ...policy, sink: change(policy.sink) } : policy;
    const { onFailure } = options;
    if (typeof onFailure !== 'function') return { ...options, onFailure: changed(onFailure) };
    return {
      ...options,
      onFailure: (...failure: Parameters<typeof onFailure>) => {
        const policy = onFailure(...failure);
        return 'then' in Object(policy) && typeof (policy as PromiseLike<FailurePolicy>).then === 'function'
          ? (policy as PromiseLike<FailurePolicy>).then(changed)
          : changed(policy as FailurePolicy);
      },
    };
  };

const keptUnheard = withSink((sink) => async (item, context) => {
  void (async () => sink(item, context))().catch(() => undefined);
});

const wholeRecord = withSink((sink) => (item, context) => sink({ ...item, itemIndex: undefined }, context));

const keptTwice = withSink((sink) => async (item, context) => {
  await sink(item, context);
  await sink(item, context);
});

/** Another idempotency key in each tenure. */
const keyOfTheTenure: Mutant['make'] = () =>
  wrapped('shardWorker', {
    before: (_state, message) => {
      if (message.type !== 'tenure' || message.answer.type !== 'granted') return message;
      const { tenure } = message.answer;
      tenure.idempotencyPrefix += `#${tenure.fence}`;
      return message;
    },
  });

/** What no sink has kept yet counts as parked once the lease is lost. */
const lostIsKept: Mutant['make'] = () => {
  let lost: readonly DeliveredItem[] = [];
  const leftOf = (state: StateOf<'reducer'>, shardWorker: number): readonly DeliveredItem[] =>
    [...(state.pendingFailures.byNumber.values() as Iterable<PendingFailure<unknown>>)]
      .flatMap(({ parking }) => (parking?.notParked ?? []) as readonly DeliveredItem[])
      .filter(({ tenure }) => tenure.shardWorkerNumber === shardWorker);
  return wrapped('reducer', {
    before: (state, message) => {
      lost = message.type === 'revoked' ? leftOf(state, message.shardWorker) : [];
      return message;
    },
    after: (_state, _message, effects) => [
      ...effects,
      ...lost.map(({ source, shardId, sequenceNumber, subSequenceNumber = 0, key, idempotencyKey }) => {
        const data = { source, shardId, sequenceNumber, subSequenceNumber, key, idempotencyKey };
        return effect.emit({ name: 'itemParked', data: { ...data, at: 'reduce', attempts: 1, error: undefined } });
      }),
    ],
  });
};

const neverAgain = <Message extends MessageTo<'reducer' | 'stage'>>(
  _state: unknown,
  message: Message,
): Message | undefined => (message.type === 'parkingDue' ? undefined : message);

export const parkingMutants: readonly Mutant[] = [
  { name: 'an item that its sink refuses is settled', make: refusedIsKept('reducer') },
  { name: 'a record that its sink refuses is settled', make: refusedIsKept('stage') },
  { name: 'an item is settled before its sink answers', make: () => given('reducer', keptUnheard) },
  { name: 'a record is settled before its sink answers', make: () => given('stage', keptUnheard) },
  {
    name: 'a part that cannot be decoded is settled although its sink refuses it',
    make: refusedIsKept('shardWorker'),
  },
  {
    name: 'a part that cannot be decoded is settled before its sink answers',
    make: () => given('shardWorker', keptUnheard),
  },
  { name: 'a part that cannot be decoded is parked twice', make: () => given('shardWorker', keptTwice) },
  { name: 'a message that its sink refuses is settled', piped: true, make: refusedIsKept('pipeNode') },
  { name: 'a message is settled before its sink has kept it', piped: true, make: () => given('pipeNode', keptUnheard) },
  { name: 'an item is parked twice', make: () => given('reducer', keptTwice) },
  { name: 'what is parked again after a lost lease has another idempotency key', make: keyOfTheTenure },
  { name: 'an item of a lost lease counts as parked', make: lostIsKept },
  { name: 'a sink gets the record instead of the item', make: () => given('reducer', wholeRecord) },
  {
    name: 'a sink that has refused an item is not called again',
    make: () => wrapped('reducer', { before: neverAgain }),
  },
  {
    name: 'a sink that has refused a record is not called again',
    make: () => wrapped('stage', { before: neverAgain }),
  },
];
