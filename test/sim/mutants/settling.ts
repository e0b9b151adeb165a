// Mutants of what counts as done: completion, frontiers, acknowledgements, credit, flushes.
import type { DeliveredItem } from '../../../actors/protocol/item.js';
import { settleItem } from '../../../actors/protocol/stage-reports.js';
import { admit, recordAt, newest as newestOf } from '../../../src/core/ledger.js';
import { reducerIndexOf } from '../../../src/core/routing.js';
import { comparePositions, compareSequenceNumbers } from '../../../src/core/sequence-number.js';
import type { Position } from '../../../src/core/position.js';
import { effect } from '../../../actors/protocol/actor.js';
import { actors } from '../../../src/consumer/wiring.js';
import { around, resent, wrapped, type MessageTo, type Mutant, type StateOf } from './around.js';

/** The values that a mutant keeps per actor. */
function perState<T>(make: () => T): (state: object) => T {
  const kept = new WeakMap<object, T>();
  return (state: object) => {
    const known = kept.get(state) ?? make();
    kept.set(state, known);
    return known;
  };
}

type ToShardWorker = MessageTo<'shardWorker'>;
type Brings = Extract<ToShardWorker, { readonly type: 'notified' | 'collected' }>;

const brings = (message: ToShardWorker): message is Brings =>
  message.type === 'notified' || message.type === 'collected';

function countsOf(itemCounts: Map<number, number>, { dispositions }: Brings): void {
  const pairs = dispositions.itemCounts;
  for (let at = 0; at < pairs.length; at += 2) itemCounts.set(pairs[at] as number, pairs[at + 1] as number);
}

function byOverlap(): Mutant['make'] {
  const countsIn = perState(() => new Map<number, number>());
  const before = (state: StateOf<'shardWorker'>, message: ToShardWorker): ToShardWorker => {
    if (!brings(message)) return message;
    const itemCounts = countsIn(state);
    countsOf(itemCounts, message);
    const { ordinals, items } = message.dispositions;
    for (const ordinal of [...ordinals]) {
      for (let item = 0; item < (itemCounts.get(ordinal) ?? 1); item += 1) {
        ordinals.push(ordinal);
        items.push(item);
      }
    }
    return message;
  };
  return () => wrapped('shardWorker', { before });
}

/** The token of a record names the item that was settled last. If that is not its last item, no frontier is reported. */
function tokenOfTheLast(): Mutant['make'] {
  const known = perState(() => ({ itemCounts: new Map<number, number>(), last: new Map<string, boolean>() }));
  const before = (state: StateOf<'shardWorker'>, message: ToShardWorker): ToShardWorker => {
    if (!brings(message)) return message;
    const { itemCounts, last } = known(state);
    countsOf(itemCounts, message);
    const { ordinals, items } = message.dispositions;
    for (const [at, ordinal] of ordinals.entries()) {
      const position = recordAt(state.ledger, ordinal)?.position;
      if (position === undefined) continue;
      last.set(nameOf(position), items[at] === (itemCounts.get(ordinal) ?? 1) - 1);
    }
    return message;
  };
  return () =>
    wrapped('shardWorker', {
      before,
      after: (state, _message, effects) =>
        resent(effects, (sent) => {
          if (sent.type !== 'frontier') return sent;
          return known(state).last.get(nameOf(sent['frontier'].position)) === false ? undefined : sent;
        }),
    });
}

const nameOf = ({ sequenceNumber, subSequenceNumber }: Position): string => `${sequenceNumber}/${subSequenceNumber}`;

/** A record that is read twice is counted twice, and the second count is never settled. */
const duplicateCounts: Mutant['make'] = () =>
  wrapped('shardWorker', {
    before: (state, message) => {
      if (message.type !== 'readDone' || message.result.type !== 'records') return message;
      const newest = newestOf(state.ledger);
      const isKnown = ({ sequenceNumber }: { sequenceNumber: string }): boolean =>
        newest !== undefined && compareSequenceNumbers(sequenceNumber, newest.sequenceNumber) <= 0;
      if (newest !== undefined && state.tenure?.ended === false && [...message.result.records].some(isKnown)) {
        admit(state.ledger, { ...newest, subSequenceNumber: newest.subSequenceNumber + 1_000 }, 0, 0);
      }
      return message;
    },
  });

function byCompletionOrder(): Mutant['make'] {
  const furthest = perState((): { position: Position | undefined; told: Position | undefined } => ({
    position: undefined,
    told: undefined,
  }));
  return () =>
    wrapped('shardWorker', {
      before: (state, message) => {
        if (!brings(message)) return message;
        const known = furthest(state);
        for (const ordinal of message.dispositions.ordinals) {
          const position = recordAt(state.ledger, ordinal)?.position;
          if (position === undefined) continue;
          if (known.position === undefined || comparePositions(position, known.position) > 0) known.position = position;
        }
        return message;
      },
      after: (state, _message, effects) => {
        const known = furthest(state);
        if (state.tenure === undefined || known.position === known.told) return effects;
        known.told = known.position;
        const { shardWorkerNumber: shardWorker, fence } = state.tenure;
        const early = {
          type: 'frontier',
          frontier: { shardWorker, fence, position: known.position, records: state.ledger.settled },
        };
        return [effect.send(state.keeper, early as never), ...effects];
      },
    });
}

const settle = (state: StateOf<'reducer'>, items: readonly DeliveredItem[]): void => {
  for (const item of items) settleItem(state.reports, item);
};

const beforeTheFlush: Mutant['make'] = () =>
  wrapped('reducer', {
    before: (state, message) => {
      if (message.type === 'folded') settle(state, message.job.reduced.slice(message.job.noted));
      return message;
    },
  });

const beforeItIsDone: Mutant['make'] = () =>
  wrapped('reducer', {
    before: (state, message) => {
      if (message.type === 'items') settle(state, message.items);
      return message;
    },
  });

const duringFlush: Mutant['make'] = () =>
  wrapped('reducer', {
    after: (state, _message, effects) => {
      if (state.running?.type === 'flush') state.running = undefined;
      return effects;
    },
  });

const onAcknowledgement: Mutant['make'] = () =>
  wrapped('reducer', {
    after: (_state, _message, effects) =>
      resent(effects, (sent) => {
        if (sent.type !== 'disposed') return sent;
        const acknowledged = (sent['dispositions'] as { ordinals: number[] }[]).map(({ ordinals }) => ordinals.length);
        return { ...sent, credit: acknowledged.reduce((sum, each) => sum + each, 0) };
      }),
  });

const twice: Mutant['make'] = () =>
  wrapped('reducer', {
    before: (state, message) => {
      if (message.type === 'items') state.lastReceived.clear();
      return message;
    },
  });

/** Items go to the reducers in turn. */
const inTurn: Mutant['make'] = () => {
  let turn = 0;
  return {
    ...actors,
    stage: (options) =>
      around(
        actors.stage({
          ...options,
          extract: (record, context) => {
            turn += 1;
            const made = [...(options.extract?.(record, context) ?? [])];
            const reducer = turn % options.reducers;
            return made.map(({ key, value }) => ({ key: keyFor(key, reducer, options.reducers), value }));
          },
        }),
        {},
      ),
  };
};

function keyFor(key: string, reducer: number, reducers: number): string {
  for (let salt = 0; ; salt += 1) {
    const salted = `${key}~${salt}`;
    if (reducerIndexOf(salted, reducers) === reducer) return salted;
  }
}

export const settlingMutants: readonly Mutant[] = [
  { name: 'W8: a record is complete when one of its items is', make: byOverlap() },
  { name: 'W10: the token of a record is that of the item disposed last', make: tokenOfTheLast() },
  { name: 'W11: a duplicate is counted and never settled', make: duplicateCounts },
  { name: 'a frontier by completion order', make: byCompletionOrder() },
  { name: 'a checkpoint before the flush', make: beforeTheFlush },
  { name: 'an acknowledgement before the reducer is done', make: beforeItIsDone },
  { name: 'reduce during flush', make: duringFlush },
  { name: 'credit returned on acknowledgement', make: onAcknowledgement },
  { name: 'a repeated batch is not dropped', make: twice },
  { name: 'items of a key to any reducer', make: inTurn },
];
