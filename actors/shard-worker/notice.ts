// What a reader wants people to know, as events and counters of the worker that reads.
import type { Effect } from '../actor.js';
import type { ShardWorkerMessage, ShardWorkerOptions } from './state.js';
import type { SourceNotice } from '../../src/ports.js';

export function noticed(options: ShardWorkerOptions, notice: SourceNotice): Effect<ShardWorkerMessage> {
  const { source, shardId } = options.lease;
  switch (notice.type) {
    case 'throttled':
      return { type: 'emit', event: { name: 'throttled', data: { source, shardId, delayMs: notice.delayMs } } };
    case 'trimmed': {
      const { certain, position } = notice;
      return { type: 'emit', event: { name: 'trimmed', data: { source, shardId, ...position, certain } } };
    }
    case 'retrying': {
      const { operation, error, delayMs } = notice;
      return { type: 'emit', event: { name: 'retrying', data: { source, shardId, operation, error, delayMs } } };
    }
    case 'iteratorExpired':
      return { type: 'count', what: 'expiredIterators' };
    default:
      return notice satisfies never;
  }
}
