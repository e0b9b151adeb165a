// Mutants of pipes: what a message stands for, what a node keeps, marks, ended tenures, the end of a pipe, its credit.
import { effect } from '../../../actors/protocol/actor.js';
import { DeliveredItem } from '../../../actors/protocol/item.js';
import { SentMessage } from '../../../actors/protocol/pipe-message.js';
import { isFlushMark, type Entry } from '../../../actors/protocol/pipe-messages.js';
import { dispositionsFor, nextNumber } from '../../../actors/protocol/stage-reports.js';
import type { Tenure } from '../../../actors/protocol/tenure.js';
import { settle } from '../../../actors/pipe-node/settled.js';
import type { PipeNodeOptions } from '../../../actors/pipe-node/options.js';
import type { AnyNode, Keep, NodeResult, PipeMessage } from '../../../src/api/pipe.js';
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import { settlesByShard } from './fencing.js';
import { around, given, resent, wrapped, type AnyEffect, type MessageTo, type Mutant, type StateOf } from './around.js';

type ChangeFeed = (entries: readonly Entry[], state: StateOf<'pipeNode'>, options: PipeNodeOptions) => readonly Entry[];

/** The nodes get other entries than they are fed. */
const fed = (change: ChangeFeed, base: Actors = actors): Actors => ({
  ...base,
  pipeNode: (options) =>
    around(base.pipeNode(options), {
      before: (state: StateOf<'pipeNode'>, message: MessageTo<'pipeNode'>) => {
        if (message.type !== 'feed') return message;
        return { ...message, entries: change(message.entries as readonly Entry[], state, options) } as typeof message;
      },
    }),
});

/** The nodes whose kind is `kind` have other callbacks; all nodes without it. */
const defined = (change: (definition: AnyNode) => AnyNode, kind = ''): Actors =>
  given('pipeNode', (options) =>
    options.name.startsWith(kind) ? { ...options, definition: change(options.definition) } : options,
  );

const isMessage = (entry: Entry): entry is SentMessage => !isFlushMark(entry);

const firstShareSettles: Mutant['make'] = () => {
  const seen = new WeakSet<object>();
  return fed((entries) => {
    for (const message of entries.filter(isMessage)) {
      const references = SentMessage.referencesOf(message);
      if (references === undefined || !('kind' in references) || references.kind !== 'split') continue;
      SentMessage.setReferences(message, seen.has(references) ? undefined : references.of);
      seen.add(references);
    }
    return entries;
  });
};

const messageOf = (keep: Keep): PipeMessage => ('in' in keep ? keep.message : keep);

const settlesWhatItKeeps = (result: NodeResult): NodeResult => {
  const { keep = [], drop = [], ...rest } = result;
  return { ...rest, drop: [...drop, ...keep.map(messageOf)] };
};

const aggregateSettles: Mutant['make'] = () =>
  defined(
    (definition) => ({
      ...definition,
      handleMessage: (state, message, context) => {
        const result = definition.handleMessage(state, message, context);
        return 'then' in result ? result.then(settlesWhatItKeeps) : settlesWhatItKeeps(result);
      },
    }),
    'aggregate/',
  );

const markOvertakes: Mutant['make'] = () =>
  fed((entries) => [...entries.filter(isFlushMark), ...entries.filter(isMessage)]);

const lastSettlesEarly: Mutant['make'] = () =>
  fed((entries, state, { next }) => {
    if (next !== undefined) return entries;
    for (const message of entries.filter(isMessage)) {
      settle(state.settled as never, SentMessage.referencesOf(message));
      SentMessage.setReferences(message, undefined);
    }
    return entries;
  });

/** A tenure whose time is never over: it ends only when somebody says so. */
const timeless = (): ((tenure: Tenure) => Tenure) => {
  const known = new WeakMap<Tenure, Tenure>();
  return (tenure) => {
    const made =
      known.get(tenure) ??
      new Proxy(tenure, {
        get: (target, name) =>
          name === 'deadline' || name === 'wallDeadline' ? Infinity : (Reflect.get(target, name) as unknown),
      });
    known.set(tenure, made);
    return made;
  };
};

const clockIsNotAsked: Mutant['make'] = () => {
  const blind = timeless();
  return fed((entries, _state, { index }) => {
    if (index !== 0) return entries;
    for (const message of entries.filter(isMessage)) {
      const references = SentMessage.referencesOf(message);
      if (references instanceof DeliveredItem) (references as { tenure: Tenure }).tenure = blind(references.tenure);
    }
    return entries;
  });
};

const keepsWhatIsLost: Mutant['make'] = () =>
  defined((definition) =>
    definition.handleLost === undefined ? definition : { ...definition, handleLost: (state) => state },
  );

/** The pipe reports what was settled after the end of its tenure, too. */
const settlesEnded = (): Actors =>
  wrapped('pipe', {
    before: (state, message) => {
      if (message.type !== 'settled') return message;
      for (const { tenure, stage, ordinals, items } of message.settled) {
        if (!tenure.ended) continue;
        const dispositions = dispositionsFor(state.reports as never, stage as never, tenure.shardWorkerNumber);
        dispositions.ordinals.push(...ordinals);
        dispositions.items.push(...items);
      }
      return { ...message, settled: message.settled.filter(({ tenure }) => !tenure.ended) };
    },
  });

const stopsNobody: Mutant['make'] = () =>
  wrapped('pipe', {
    after: (state, _message, effects) => {
      const { end } = state;
      const isStop = (each: AnyEffect): boolean =>
        each.type === 'ask' && (each.question({} as never) as { type: string }).type === 'downstreamFailed';
      if (end === undefined || !effects.some(isStop)) return effects;
      for (let node = 0; node < end.node; node += 1) end.draining.delete(node);
      return effects.filter((each) => !isStop(each));
    },
  });

const asIo = (effects: readonly AnyEffect[]): readonly AnyEffect[] =>
  effects.map((each) => (each.type === 'run' ? { ...each, kind: 'io' } : each));

const noWait: Mutant['make'] = () => wrapped('pipeNode', { after: (_state, _message, effects) => asIo(effects) });

const creditTwice: Mutant['make'] = () =>
  wrapped('pipe', {
    after: (_state, _message, effects) =>
      resent(effects, (sent) => (sent.type === 'disposed' ? { ...sent, credit: 2 * sent['credit'] } : sent)),
  });

/** A mark goes nowhere: a drain is answered at once, and nothing is flushed. */
const drainedAtOnce: Mutant['make'] = () => ({
  ...actors,
  pipe: (options) =>
    around(actors.pipe(options), {
      before: (state: StateOf<'pipe'>, message: MessageTo<'pipe'>) => {
        if (message.type === 'punctuation') state.queue.push = () => {};
        return message;
      },
      after: (state: StateOf<'pipe'>, message: MessageTo<'pipe'>, effects) => {
        if (message.type !== 'punctuation') return effects;
        Reflect.deleteProperty(state.queue, 'push');
        state.marks.delete(state.lastMark);
        const { stage, id } = message;
        const number = nextNumber(state.reports as never, stage as never);
        const answer = { type: 'punctuated', reducer: options.index, number, id, waiting: [] };
        return [...effects, effect.send(stage as never, answer as never)];
      },
    }),
});

const nothingIsFlushed: Mutant['make'] = () =>
  defined((definition) => {
    const { handleFlush: _, ...others } = definition;
    return others;
  });

/** What a node drops stays open. */
const droppedStaysOpen: Mutant['make'] = () =>
  defined(
    (definition) => ({
      ...definition,
      handleMessage: (state, message, context) => {
        const withoutDrop = ({ drop: _, ...result }: NodeResult): NodeResult => result;
        const result = definition.handleMessage(state, message, context);
        return 'then' in result ? result.then(withoutDrop) : withoutDrop(result);
      },
    }),
    'filter/',
  );

/** The entries of a feed are handled from the last to the first. */
const feedsBackwards: Mutant['make'] = () =>
  fed((entries, _state, { index }) => (index === 0 || entries.some(isFlushMark) ? entries : entries.toReversed()));

/** Each value of a call stands for all that the call stands for, undivided. */
const emittedWhole: Mutant['make'] = () =>
  wrapped('reducer', {
    after: (_state, _message, effects) =>
      resent(effects, (sent) => {
        if (sent.type !== 'emitted') return sent;
        for (const message of sent['messages'] as SentMessage[]) {
          const references = SentMessage.referencesOf(message);
          if (references !== undefined && 'kind' in references && references.kind === 'split')
            SentMessage.setReferences(message, references.of);
        }
        return sent;
      }),
  });

const forgetsShares: Mutant['make'] = () =>
  wrapped('reducer', {
    after: (state, _message, effects) => {
      (state as StateOf<'reducer'>).behind?.shares.forEach((share) => {
        // It settles nothing any more.
        if ('kind' in share && share.kind === 'split') share.open += 1;
      });
      return effects;
    },
  });

/** What a failed call has emitted goes on with the next one. */
const failedCallEmits: Mutant['make'] = () =>
  given('reducer', (options) => {
    const { definition } = options;
    if (definition.reduce === undefined) return options;
    const { reduce } = definition;
    let left: unknown[] = [];
    const emitting: typeof reduce = (state, item, context) => {
      const values: unknown[] = [];
      const noting = { ...context, signal: context.signal, emit: (value: unknown) => void values.push(value) };
      try {
        const result = reduce(state, item, noting as never) as unknown;
        if (result instanceof Promise) {
          return result.then((next: unknown) => {
            for (const value of values) context.emit(value);
            return next;
          });
        }
        for (const value of [...left, ...values]) context.emit(value);
        left = [];
        return result;
      } catch (error) {
        left.push(...values);
        throw error;
      }
    };
    return { ...options, definition: { ...definition, reduce: emitting } as typeof definition };
  });

/** The pipe does not wait for what its nodes have not handled: the mark of a reducer is answered at once. */
const markPassesAtOnce: Mutant['make'] = () =>
  wrapped('pipe', {
    before: (state, message) => {
      if (message.type === 'emittedMark') (state.queue as { push: unknown }).push = () => {};
      return message;
    },
    after: (state, message, effects) => {
      if (message.type !== 'emittedMark' || state.feeder === undefined) return effects;
      Reflect.deleteProperty(state.queue, 'push');
      state.marks.delete(state.lastMark);
      state.feeder.lastSent += 1;
      const { reducer, mark } = message;
      const answer = { type: 'markPassed', number: state.feeder.lastSent, mark };
      return [...effects, effect.send(reducer as never, answer as never)];
    },
  });

const piped = { piped: true } as const;

export const pipingMutants: readonly Mutant[] = [
  { name: 'the first share of a split settles the reference', make: firstShareSettles, ...piped },
  { name: 'an aggregate settles what it keeps', make: aggregateSettles, ...piped },
  { name: 'a flush mark overtakes what is queued', make: markOvertakes, ...piped },
  { name: 'the last node settles before its call has returned', make: lastSettlesEarly, ...piped },
  { name: 'the clock is not asked before a call of a node', make: clockIsNotAsked, ...piped },
  { name: 'a lost lease is not dropped from what a node keeps', make: keepsWhatIsLost, ...piped },
  {
    name: 'settled items of an ended tenure are reported',
    make: settlesEnded,
    masked: {
      by: 'workers are numbered',
      make: () => settlesByShard(settlesEnded()),
      off: () => settlesByShard(),
    },
    ...piped,
  },
  { name: 'a crash does not stop the nodes before it', make: stopsNobody, ...piped },
  { name: 'a replay in a pipe does not wait for running callbacks', make: noWait, ...piped },
  { name: 'a pipe returns credit twice', make: creditTwice, ...piped },
  { name: 'a pipe answers a drain while a node holds something', make: drainedAtOnce, ...piped },
  { name: 'a node does not flush when a mark comes', make: nothingIsFlushed, ...piped },
  { name: 'what a filter drops stays open', make: droppedStaysOpen, ...piped },
  { name: 'each of several emitted values stands for all of the call', make: emittedWhole, ...piped },
  { name: 'a reducer forgets its own share of what it has emitted', make: forgetsShares, ...piped },
  { name: 'what a failed call has emitted goes on', make: failedCallEmits, ...piped },
  { name: 'a mark of a reducer passes its pipe at once', make: markPassesAtOnce, ...piped },
  { name: 'a node handles a feed backwards', make: feedsBackwards, ...piped },
];
