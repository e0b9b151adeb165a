// Runs parked entries through the pipe of a module, each from the node on which it failed, with its route. Entries without a node, such as
// those that failed in `extract`, go through the whole pipe; if the module has a reducer, through the reducer and the pipe behind it.
import type { MessageFormat } from '../api/message-format.js';
import type { ParkedMessage } from '../api/parking.js';
import type { Pipe } from '../api/pipe.js';
import type { ReducerDefinition } from '../api/reducer.js';
import { pipeReplay, reducerReplay, type PipeReplay, type ReplayedValue } from '../consumer/pipe-replay.js';
import { isThenable } from '../core/callback.js';
import { valuesOf, type StoredItem } from '../parking/stored-item.js';
import type { ReplayOutcome } from './replay-pipeline.js';
import { itemsOf, keyOf, recordOf, replayReducer, type ItemMakers } from './replayed-item.js';

export interface ReplayPipes {
  /** One at a time, that `refusalOfMessage` does not refuse. */
  replay(stored: StoredItem): Promise<ReplayOutcome>;
  /** Lets a call that runs finish. A second call has no effect. */
  stop(): Promise<void>;
}

interface PipeModule extends ItemMakers {
  readonly pipe: Pipe;
  /** In front of the pipe. */
  readonly reducer?: ReducerDefinition | undefined;
}

export function replayPipes({ pipe, reducer, ...makers }: PipeModule): ReplayPipes {
  const running = new Map<string, PipeReplay>();
  const runnerOf = (name: string, start: () => PipeReplay): PipeReplay => {
    let runner = running.get(name);
    if (runner === undefined) running.set(name, (runner = start()));
    return runner;
  };
  return {
    async replay(stored) {
      const { message, source, shardId } = stored;
      let node: number;
      let values: readonly ReplayedValue[];
      try {
        node = message === undefined ? 0 : (placeOf(pipe, message) as number);
        values = message?.valueBytes === undefined ? madeValues(stored, makers) : keptValues(stored, message, pipe);
      } catch (error) {
        return { type: 'failed', error };
      }
      const route = message?.route ?? [];
      const entry = { route, source, shardId, values };
      const runner =
        message === undefined && reducer !== undefined
          ? runnerOf('reducer', () => reducerReplay(replayReducer(reducer), pipe.nodes))
          : runnerOf(`node ${node}`, () => pipeReplay(pipe.nodes.slice(node)));
      const outcome = await runner.replay(entry);
      return outcome.type === 'done' ? { type: 'done', items: values.length } : outcome;
    },
    async stop() {
      for (const runner of running.values()) await runner.stop();
    },
  };
}

/** Why the message cannot come back to this pipe; undefined if it can. */
export function refusalOfMessage(pipe: Pipe, message: ParkedMessage): string | undefined {
  const place = placeOf(pipe, message);
  if (typeof place === 'string') return place;
  return message.valueBytes === undefined || pipe.format !== undefined
    ? undefined
    : "the module's pipe does not say how its values become bytes: write pipe({ format: json })";
}

/** The place of the node, or why it is not known. If the pipe has other nodes now, the name must say which. */
function placeOf({ nodes }: Pipe, { node, index, nodes: before }: ParkedMessage): number | string {
  const names = nodes.map(({ name = 'node' }) => name);
  if (names.length === before.length && names.every((name, at) => name === before[at])) return index;
  const at = names.indexOf(node);
  const list = `the nodes of the module's pipe are ${names.join(', ')}`;
  if (at < 0) return `it failed at the node '${node}', which is not there: ${list}`;
  if (at !== names.lastIndexOf(node) || before.indexOf(node) !== before.lastIndexOf(node))
    return `it failed at a node '${node}' (${index + 1} of ${before.join(', ')}), and nobody knows which that is now: ${list}`;
  return at;
}

/** What `extract` makes of a record. */
function madeValues(stored: StoredItem, makers: ItemMakers): readonly ReplayedValue[] {
  const made = itemsOf(stored, makers);
  if (typeof (made as Partial<Iterable<unknown>> | undefined)?.[Symbol.iterator] !== 'function')
    throw new TypeError('extract must return an iterable of items { key, value }');
  return Array.from(made, (each) => {
    if (Object(each) !== each || isThenable(each)) throw new TypeError('extract must return items { key, value }');
    const { key, value } = each;
    const { itemIndex } = value;
    return { value: value.value, key, idempotencyKey: keyOf(stored, itemIndex), itemIndex, record: recordOf(stored) };
  });
}

/** The values that were parked. */
function keptValues(stored: StoredItem, message: ParkedMessage, { format }: Pipe): readonly ReplayedValue[] {
  const { idempotencyKey, itemIndex, key = '', data } = stored;
  const place = { node: message.node };
  return valuesOf(data, message).map((bytes) => ({
    value: (format as MessageFormat).deserialize(bytes, place),
    key,
    idempotencyKey: itemIndex === undefined ? undefined : (message.itemKey ?? idempotencyKey),
    itemIndex: itemIndex ?? 0,
    record: { ...recordOf(stored), data: bytes },
  }));
}
