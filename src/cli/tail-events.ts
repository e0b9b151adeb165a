// Reports events of the consumer of `kinact tail --application` on stderr, while lines go to stdout. An error that ends the
// command is reported at its end.
import type { Emitter } from '../consumer/emitter.js';
import { errorLine } from './command.js';
import type { SayRepeat } from './repeats.js';

export function sayEvents(consumer: Pick<Emitter, 'on'>, say: (text: string) => void, repeat: SayRepeat): void {
  consumer.on('retrying', ({ operation, error }) => repeat(operation, error));
  consumer.on('warning', ({ message, error }) =>
    say(error === undefined ? message : `${message}: ${errorLine(error)}`),
  );
  consumer.on('pipelineRestarted', ({ error }) => say(`restarted after ${errorLine(error)}`));
  consumer.on('orphaned', ({ actor, effects }) => say(`${effects.join(', ')} of ${actor} did not end in time`));
  consumer.on('trimmed', ({ shardId, sequenceNumber, certain }) => {
    const which = sequenceNumber === undefined ? 'records' : `records behind ${sequenceNumber}`;
    say(`${shardId}: ${which} ${certain ? 'have' : 'may have'} expired unread`);
  });
  consumer.on('malformedAggregate', ({ shardId, sequenceNumber, complaint }) =>
    say(`${shardId}: malformed aggregate ${sequenceNumber}: ${complaint}`),
  );
  consumer.on('malformedLease', ({ leaseKey, reason }) => say(`lease ${leaseKey} cannot be read: ${reason}`));
  consumer.on('leaseUnread', ({ shardId, reason }) =>
    say(`nobody reads ${shardId}, whose lease is held here: ${reason}`),
  );
  consumer.on('leaseContradiction', ({ shardId, remedy }) =>
    say(`${shardId} is open, but its lease says SHARD_END, so nobody reads it: ${remedy}`),
  );
  consumer.on('leaseHole', ({ startingHashKey, endingHashKey }) =>
    say(`no lease covers the hash keys ${startingHashKey} to ${endingHashKey}`),
  );
  consumer.on('noProgress', ({ shardId, tenures, reason }) =>
    say(`${shardId} stands still: ${tenures} tenures in a row ended before a line was written, ${reason}`),
  );
  consumer.on('leaseTableBusy', ({ table, leases }) =>
    say(`the lease table '${table}' carries no further lease: ${leases} have no owner`),
  );
}
