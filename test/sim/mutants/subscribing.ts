// Mutants of enhanced fan-out and of several sources. The reader of a shard is no actor, so some mutants change what a process sends
// and gets (`link`), as if its reader did. That the identity of the stream is asked for each subscription is not among them: in a cluster
// the reader polls between a deleted stream and the next subscription, and polling asks, too. test/src/aws/kinesis/shard-reader.test.ts
// holds the rule.
import type { LeasedRead, StreamSource } from '../../../src/api/ports.js';
import { actors, type Actors } from '../../../src/consumer/wiring.js';
import type { Link, Place } from '../subscribing.js';
import { given, wrapped, type Mutant } from './around.js';
import { readBy } from './reading.js';

const keyOf = ({ consumerArn, shardId }: Place): string => `${consumerArn} ${shardId}`;

/** Gives each reader another view of its lease. */
const leasedBy = (change: (lease: LeasedRead, shardId: string) => LeasedRead): Actors =>
  given('shardWorker', (options) => {
    const open: StreamSource['open'] = (shardId, start, notice, lease) =>
      options.source.open(shardId, start, notice, lease && change(lease, shardId));
    return { ...options, source: { ...options.source, open } };
  });

/** A former owner subscribes again at once, and fights the new one. */
const noRenewalAwaited: Mutant['make'] = () => leasedBy(({ renewalBegunAt: _, ...lease }) => lease);

/** The last event's number is used although records were polled since. */
const continuesAfterPolling: Mutant['make'] = () => {
  const last = new Map<string, string>();
  const link: Link = {
    event: (place, { ContinuationSequenceNumber: number }) => {
      if (number !== undefined) last.set(keyOf(place), number as string);
    },
    sent: (operation, input) => {
      const number =
        operation === 'SubscribeToShard'
          ? last.get(keyOf({ consumerArn: input['ConsumerARN'] as string, shardId: input['ShardId'] as string }))
          : undefined;
      if (number === undefined) return input;
      return { ...input, StartingPosition: { Type: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: number } };
    },
  };
  return { ...actors, link };
};

/** The number of an event is written as the checkpoint of its last record. */
const checkpointsContinuations: Mutant['make'] = () => {
  const continuationOf = new Map<string, string>();
  const link: Link = {
    event: (_place, { Records, ContinuationSequenceNumber: number }) => {
      const last = (Records as { readonly SequenceNumber: string }[]).at(-1)?.SequenceNumber;
      if (last !== undefined && number !== undefined) continuationOf.set(last, number as string);
    },
  };
  const parts = wrapped('leaseKeeper', {
    before: (_state, message) => {
      if (message.type !== 'frontier') return message;
      const { frontier } = message;
      const { position } = frontier;
      const sequenceNumber = continuationOf.get(position.sequenceNumber as string) ?? position.sequenceNumber;
      return { ...message, frontier: { ...frontier, position: { ...position, sequenceNumber } } };
    },
  });
  return { ...parts, link };
};

/** The last event of a shard proves its end, without a look by polling. */
const eventsProveTheEnd: Mutant['make'] = ({ machine }) => {
  const ends = new Map<string, { readonly last: string | undefined; isRead: boolean }>();
  const link: Link = {
    event: ({ shardId }, { Records, ContinuationSequenceNumber: number }) => {
      const last = (Records as { readonly SequenceNumber: string }[]).at(-1)?.SequenceNumber;
      if (number === undefined) ends.set(shardId, { last, isRead: false });
    },
  };
  const parts = readBy((reader, { shardId }) => ({
    read: async (signal) => {
      const end = ends.get(shardId);
      if (end?.isRead === true) return { type: 'shardEnd', children: [] };
      const result = await reader.read(signal);
      if (end === undefined || result.type !== 'records') return result;
      end.isRead =
        end.last === undefined || [...result.records].some(({ sequenceNumber }) => sequenceNumber === end.last);
      return result;
    },
  }))({ machine });
  return { ...parts, link };
};

/** A reader is not closed when its lease is lost. */
const goesOn: Mutant['make'] = readBy(() => ({ close: () => undefined }));

/** The coordinator does not give up the leases of a source that is removed. */
const removedStays: Mutant['make'] = () =>
  wrapped('leaseCoordinator', {
    before: (_state, message) =>
      message.type === 'removeSource' ? { ...message, source: 'of another name' } : message,
  });

/** A stage finds the worker of a disposition by the shard's id, and takes the last one, of whichever stream. */
const streamsMixedUp: Mutant['make'] = () => {
  const shardOf = new Map<number, string>();
  return wrapped('stage', {
    before: (state, message) => {
      if (message.type === 'notify') shardOf.set(message.tenure.shardWorkerNumber, message.tenure.shardId);
      if (message.type !== 'disposed') return message;
      const known = [...state.shardWorkerEntries.keys()];
      const dispositions = message.dispositions.map((ofShardWorker) => {
        const shard = shardOf.get(ofShardWorker.shardWorker);
        return {
          ...ofShardWorker,
          shardWorker: known.findLast((shardWorker) => shardOf.get(shardWorker) === shard) ?? ofShardWorker.shardWorker,
        };
      });
      return { ...message, dispositions };
    },
  });
};

export const subscribingMutants: readonly Mutant[] = [
  { name: 'fan-out: a take-over is answered without a renewal', make: noRenewalAwaited },
  { name: 'fan-out: a continuation number is used after polling', make: continuesAfterPolling },
  { name: 'fan-out: a continuation number is checkpointed', make: checkpointsContinuations },
  { name: 'fan-out: an event proves the end of a shard', make: eventsProveTheEnd },
  { name: 'fan-out: the subscription of a lost lease goes on', make: goesOn },
  { name: 'sources: a removed source keeps its leases', make: removedStays },
  { name: 'sources: streams with the same shard ids are mixed up', make: streamsMixedUp },
];
