// Reports events of the consumer of `kinact tail --application` on stderr, while lines go to stdout. An error that ends the
// command is reported at its end.
import type { Emitter } from '../consumer/emitter.js';
import { errorLine } from './command.js';
import type { ReportRetry } from './retry-report.js';

export function sayEvents(consumer: Pick<Emitter, 'on'>, say: (text: string) => void, reportRetry: ReportRetry): void {
  consumer.on('retrying', ({ operation, error }) => reportRetry(operation, error));
  consumer.on('warning', ({ message, error }) =>
    say(error === undefined ? message : `${message}: ${errorLine(error)}`),
  );
  consumer.on('pipelineRestarted', ({ error }) => say(`restarted after ${errorLine(error)}`));
  consumer.on('orphaned', ({ actor, effects }) => say(`${effects.join(', ')} of ${actor} did not end in time`));
  consumer.on('trimmed', ({ shardId, sequenceNumber, certain }) => {
    const which = sequenceNumber === undefined ? 'records' : `records after ${sequenceNumber}`;
    say(`${shardId}: ${which} ${certain ? 'have' : 'may have'} expired unread`);
  });
  consumer.on('malformedAggregate', ({ shardId, sequenceNumber, complaint }) =>
    say(`${shardId}: malformed aggregate ${sequenceNumber}: ${complaint}`),
  );
  consumer.on('malformedLease', ({ leaseKey, reason }) => say(`lease ${leaseKey} cannot be read: ${reason}`));
  consumer.on('leaseUnread', ({ shardId, reason }) => say(`${shardId} is leased here but not read: ${reason}`));
  consumer.on('leaseContradiction', ({ shardId, remedy }) =>
    say(`${shardId} is open, but its row is at SHARD_END, so it is not read: ${remedy}`),
  );
  consumer.on('checkpointBeyondTip', ({ shardId, reason, remedy }) =>
    say(`nothing of ${shardId} is delivered: ${reason}: ${remedy}`),
  );
  consumer.on('leaseHole', ({ startingHashKey, endingHashKey }) =>
    say(`no lease covers the hash keys ${startingHashKey} to ${endingHashKey}`),
  );
  consumer.on('noProgress', ({ shardId, tenures, reason }) =>
    say(`${shardId} is stuck: ${tenures} tenures in a row ended with no line written; last: ${reason}`),
  );
  consumer.on('leaseTableBusy', ({ table, leases }) =>
    say(`the lease table '${table}' is too slow: ${leases} leases have no owner`),
  );
}
