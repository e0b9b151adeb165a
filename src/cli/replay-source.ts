// A source with one shard that holds what a replay gives it, one record at a time. Its leases are in memory: nobody shares them.
import type { RawRecord, ReadResult, StreamSource } from '../api/ports.js';
import type { Environment, SourceSpec } from '../api/source.js';
import { memoryLeases } from '../parking/memory-leases.js';

const name = 'parked';
const shardId = 'shardId-000000000000';

export interface ReplaySource {
  readonly spec: SourceSpec;
  /** Gives the next record to the reader. It has the given number as sequence number, and no bytes. */
  give(number: number): void;
}

export function replaySource(): ReplaySource {
  let given = 0;
  let wake = (): void => undefined;
  const recordAfter = (position: number): RawRecord | undefined =>
    given > position ? { sequenceNumber: String(given), data: Buffer.alloc(0) } : undefined;

  const open: StreamSource['open'] = (_shardId, start) => {
    let position = start.type === 'after' ? Number(start.position.sequenceNumber) : 0;
    const closing = new AbortController();
    return {
      async read(signal): Promise<ReadResult> {
        const ending = AbortSignal.any([signal, closing.signal]);
        for (;;) {
          ending.throwIfAborted();
          const record = recordAfter(position);
          if (record !== undefined) {
            position = given;
            return { type: 'records', records: [record], millisBehindLatest: 0 };
          }
          await new Promise<void>((resolve) => {
            wake = resolve;
            ending.addEventListener('abort', () => resolve(), { once: true });
          });
        }
      },
      close: () => closing.abort(),
    };
  };

  return {
    spec: {
      name,
      initialPosition: 'TRIM_HORIZON',
      open: ({ clock }) => portOf(clock, open),
      openLeases: ({ clock }, { tableName }) => memoryLeases(tableName, () => clock.wallNow()),
    },
    give(number) {
      given = number;
      wake();
    },
  };
}

function portOf(clock: Environment['clock'], open: StreamSource['open']): StreamSource {
  const accountId = '000000000000';
  const streamArn = `arn:aws:kinesis:local:${accountId}:stream/${name}`;
  const hashKeyRange = { startingHashKey: '0', endingHashKey: '340282366920938463463374607431768211455' };
  return {
    name,
    describe: async () => ({ streamName: name, streamArn, accountId, creationEpochSeconds: 1, status: 'ACTIVE' }),
    listShards: async () => ({
      shards: [{ shardId, hashKeyRange, startingSequenceNumber: '0' }],
      serviceTimeMs: clock.wallNow(),
    }),
    open,
    // The bytes are those of one user record, also if they look like an aggregate.
    unpack: (record) => ({ records: [record], isDivisible: true }),
    close: () => undefined,
  };
}
