// Mutants of credit and bounds: how much may be under way.
import { actors } from '../../../src/consumer/wiring.js';
import { given, resent, wrapped, type AnyEffect, type AnyMessage, type Mutant } from './around.js';

const repeatedDispositions: Mutant['make'] = () =>
  wrapped('stage', {
    before: (state, message) => {
      if (message.type === 'disposed') state.queues[message.reducer]!.lastReceived = 0;
      return message;
    },
  });

/** Each beat grants all credit again, as if the reducer had joined again. */
const grantedAgain: Mutant['make'] = () => {
  const granted = new Map<number, number>();
  return wrapped('stage', {
    before: (state, message) => {
      if (message.type === 'join') granted.set(message.reducer, message.credit);
      if (message.type === 'beat')
        for (const [reducer, credit] of granted) if (state.queues[reducer]!.ref) state.queues[reducer]!.credit = credit;
      return message;
    },
  });
};

/** Items that are dropped with their tenure keep their credit. */
const lostWithTheTenure: Mutant['make'] = () =>
  wrapped('reducer', {
    after: (_state, { type }, effects) =>
      type === 'revoked' ? resent(effects, (sent) => ({ ...sent, credit: 0 })) : effects,
  });

/** Sends all items that wait, each in its own message. */
const withoutCredit: Mutant['make'] = () => ({
  ...actors,
  stage: (options) => {
    const sent = new Map<unknown, number>();
    const single = (effect: AnyEffect): readonly AnyEffect[] => {
      const message = effect.type === 'send' ? (effect.message as AnyMessage) : undefined;
      if (effect.type !== 'send' || message?.type !== 'items') return [effect];
      return (message['items'] as readonly unknown[]).map((item) => {
        const number = (sent.get(effect.to) ?? 0) + 1;
        sent.set(effect.to, number);
        return { ...effect, message: { ...message, number, items: [item] } };
      });
    };
    const inner = actors.stage(options);
    return {
      ...inner,
      receive: (state, message) => {
        for (const queue of state.queues) queue.credit = 10_000;
        const [next, effects] = inner.receive(state, message);
        return [next, effects.flatMap((effect) => single(effect)) as never];
      },
    };
  },
});

export const creditingMutants: readonly Mutant[] = [
  { name: 'a repeated batch of dispositions is not dropped', make: repeatedDispositions },
  { name: 'credit is granted again while items are under way', make: grantedAgain },
  { name: 'items dropped with their tenure keep their credit', make: lostWithTheTenure },
  { name: 'items are sent without credit, one by one', make: withoutCredit },
  {
    name: 'maxPending is not kept',
    make: () => given('shardWorker', (options) => ({ ...options, maxPending: 1_000_000 })),
  },
  {
    name: 'maxPendingBytes is not kept',
    make: () => given('shardWorker', (options) => ({ ...options, maxPendingBytes: 1e9 })),
  },
];
