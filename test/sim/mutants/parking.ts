// Mutants of parking: what a sink has not kept is settled, a sink is not called again, or it gets more than what has failed.
import type { FailurePolicy, OnFailure } from '../../../src/api/failure-policy.js';
import type { ParkSink } from '../../../src/api/parking.js';
import { given, wrapped, type AnyMessage, type AnyState, type Mutant } from './around.js';

/** Counts everything that is left as kept. */
const refusedIsKept = (state: AnyState, message: AnyMessage): AnyMessage => {
  if (message.type !== 'parkingEnded') return message;
  const parking = state.pendingFailures.byNumber.get(message['number'])?.parking;
  return { ...message, parked: parking?.left ?? message['parked'], error: undefined };
};

const withSink =
  (change: (sink: ParkSink) => ParkSink) =>
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

const neverAgain = (_state: AnyState, message: AnyMessage): AnyMessage | undefined =>
  message.type === 'parkingDue' ? undefined : message;

export const parkingMutants: readonly Mutant[] = [
  { name: 'an item that its sink refuses is settled', make: () => wrapped('reducer', { before: refusedIsKept }) },
  { name: 'a record that its sink refuses is settled', make: () => wrapped('stage', { before: refusedIsKept }) },
  { name: 'an item is settled before its sink answers', make: () => given('reducer', keptUnheard) },
  { name: 'a record is settled before its sink answers', make: () => given('stage', keptUnheard) },
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
