// Scenarios in which a sink keeps what has failed: in a reducer, in a stage, and in a shard worker. The sink is slow, refuses and keeps,
// as the world's trouble says. Whichever actor dies meanwhile, the checkpoint passes nothing that the sink has not kept.
import type { ParkedItem, ParkingSink } from '../../src/api/parking.js';
import { envelope, message } from '../support/aggregate-bytes.js';
import { feed, type Scenario } from './scenario.js';
import type { World } from './world.js';

/** Counts as done what it keeps, from that moment on. */
export function sinkOf(
  { oracle, trouble, parked }: Pick<World, 'oracle' | 'trouble' | 'parked'>,
  process: string,
  pause: (ms: number) => Promise<void>,
): ParkingSink {
  return async (item) => {
    const ids = idsOf(item);
    // The record is extracted no further here, and later ones go on.
    if (item.itemIndex === undefined) oracle.leftBehind(process, ids);
    const { ms, refuses } = trouble.sink;
    trouble.sink.refuses = Math.max(0, refuses - 1);
    await pause(ms);
    if (refuses > 0) throw new Error('the sink refuses');
    oracle.parked(ids);
    for (const id of ids) parked.add(id);
  };
}

function idsOf({ at, sequenceNumber, data, itemIndex }: ParkedItem): readonly string[] {
  if (at === 'decode') return [partOf(sequenceNumber)];
  const items = JSON.parse(data.toString()) as readonly { readonly value: string }[];
  return (itemIndex === undefined ? items : items.slice(itemIndex, itemIndex + 1)).map(({ value }) => value);
}

/** An aggregate of one record without items, and a rest that cannot be decoded. */
const undecodable = envelope(
  message(
    ['k'],
    [
      { pk: 0, data: '[]' },
      { pk: 9, data: '[]' },
    ],
  ),
  'kpl',
);

/** The rest counts as one item with a key of its own: it is not done until a sink keeps it. */
const partOf = (sequenceNumber: string): string => `rest of ${sequenceNumber}`;

function putUndecodable({ stream, oracle }: World): void {
  for (const { shardId, sequenceNumber } of stream.put({ partitionKey: 'k', data: undecodable })) {
    const id = partOf(sequenceNumber);
    oracle.put({ shardId, sequenceNumber, items: [[], [{ id, key: id }]] });
  }
}

export const parkings: readonly Scenario[] = [
  {
    name: 'a sink keeps what has failed',
    form: 'folds',
    ms: 9_000,
    parks: true,
    options: { callDeadlineMs: 600 },
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 7_000);
      const fails = (what: 'extract' | 'reduce'): void => void trouble.throws.set(what, { times: 1, message: 'bad' });
      for (const ms of [700, 3_000, 5_000]) {
        at(ms, () => fails('extract'));
        at(ms + 100, () => fails('reduce'));
        at(ms + 200, () => putUndecodable(world));
      }
      at(2_500, () => (trouble.sink.refuses = 5));
      // Longer than a call of the sink may take before its signal aborts.
      at(4_700, () => (trouble.sink.ms = 900));
      at(6_500, () => (trouble.sink.ms = 20));
    },
  },
  {
    name: 'batches are processed under a timeout',
    form: 'batches',
    ms: 6_000,
    script: (world) => {
      const { at, trouble } = world;
      feed(world, 5_000);
      at(2_000, () => (trouble.callMs = 700));
      at(3_500, () => (trouble.callMs = 0));
    },
  },
];
