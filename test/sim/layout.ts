// The streams of a world, the tables of their leases, and the oracle's names of shards. A name has the stream, because shard ids are
// the same in all streams. It also has the stream's generation, because a stream may be deleted and created again under its name.
import type { ScriptedKinesis } from '../../src/testing/scripted-server/scripted-kinesis.js';
import type { ScriptedStream } from '../../src/testing/scripted-server/scripted-shards.js';
import type { Item } from './dynamodb/expressions.js';

/** One stream; two with a table each; two in one table. */
export type Kind = 'one' | 'several' | 'multi';

export interface Layout {
  readonly kind: Kind;
  readonly streams: readonly string[];
  readonly tables: readonly string[];
  tableOf(stream: string): string;
  /** The table of a shard, by the oracle's name. */
  tableOfShard(name: string): string;
  /** The oracle's name of a shard of the current stream, or of the stream that had the record of this number. */
  nameOf(stream: string, shardId: string, sequenceNumber?: string): string;
  nameOfRow(tableName: string, leaseKey: string, item: Item | undefined): string;
  parentsOf(name: string): readonly string[];
  childrenOf(name: string): readonly string[];
  /** Whether the shard is of the last generation of its stream. */
  isOfTheLast(name: string): boolean;
  create(stream: string, shards: number): void;
}

interface Generation {
  readonly stream: ScriptedStream;
  readonly createdSeconds: number;
  readonly firstNumber: bigint;
}

interface Place {
  readonly stream: string;
  readonly generation: number;
  readonly shardId: string;
}

function parse(name: string): Place {
  const [place = '', shardId = ''] = name.split('/');
  const [stream = '', generation = '0'] = place.split('@');
  return { stream, generation: Number(generation), shardId };
}

export function createLayout(
  kinesis: ScriptedKinesis,
  kind: Kind,
  settings: Parameters<ScriptedKinesis['createStream']>[2],
): Layout {
  const streams = kind === 'one' ? ['sim'] : ['sim', 'other'];
  const tableOf = (stream: string): string => (kind === 'several' ? `leases-${stream}` : 'leases');
  const generations = new Map<string, Generation[]>(streams.map((stream) => [stream, []]));
  const of = (stream: string): Generation[] => generations.get(stream) as Generation[];
  const nameIn = (stream: string, generation: number, shardId: string): string =>
    `${stream}${generation === 0 ? '' : `@${generation}`}/${shardId}`;
  const last = (stream: string): number => of(stream).length - 1;
  // Every write asks for the places of all rows.
  const places = new Map<string, Place>();
  const placeOf = (name: string): Place => {
    let place = places.get(name);
    if (place === undefined) places.set(name, (place = parse(name)));
    return place;
  };
  const createdAt = (stream: string, seconds: string | undefined): number => {
    const found = of(stream).findIndex(({ createdSeconds }) => String(createdSeconds) === seconds);
    return found < 0 ? last(stream) : found;
  };
  return {
    kind,
    streams,
    tables: [...new Set(streams.map(tableOf))],
    tableOf,
    tableOfShard: (name) => tableOf(placeOf(name).stream),
    nameOf: (stream, shardId, sequenceNumber) => {
      if (sequenceNumber === undefined || of(stream).length === 1) return nameIn(stream, last(stream), shardId);
      const generation = of(stream).findLastIndex(({ firstNumber }) => firstNumber <= BigInt(sequenceNumber));
      return nameIn(stream, Math.max(0, generation), shardId);
    },
    nameOfRow: (tableName, leaseKey, item) => {
      const parts = leaseKey.split(':');
      const [, named, seconds, shardId] = parts;
      if (kind === 'multi' && parts.length === 4 && named !== undefined && generations.has(named))
        return nameIn(named, createdAt(named, seconds), shardId as string);
      const stream = streams.find((each) => tableOf(each) === tableName) as string;
      return nameIn(stream, createdAt(stream, item?.['kinactStream']?.S?.split('#')[1]), leaseKey);
    },
    parentsOf: (name) => {
      const { stream, generation, shardId } = placeOf(name);
      const parents = of(stream)[generation]?.stream.shards.get(shardId)?.parents ?? [];
      return parents.map((parent) => nameIn(stream, generation, parent));
    },
    childrenOf: (name) => {
      const { stream, generation, shardId } = placeOf(name);
      const shards = [...(of(stream)[generation]?.stream.shards.values() ?? [])];
      return shards
        .filter(({ parents }) => parents.includes(shardId))
        .map((child) => nameIn(stream, generation, child.shardId));
    },
    isOfTheLast: (name) => {
      const { stream, generation } = placeOf(name);
      return generation === last(stream);
    },
    create: (name, shards) => {
      const stream = kinesis.createStream(name, shards, settings);
      const [first] = stream.shards.values();
      of(name).push({
        stream,
        createdSeconds: Math.floor(stream.createdAt / 1_000),
        firstNumber: BigInt(first?.startingSequenceNumber ?? 0),
      });
    },
  };
}
