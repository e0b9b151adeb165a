// What a reader wants people to know, as events and counters of the worker that reads.
import type { Effect } from '../protocol/actor.js';
import { failedAgain, retryingEvent } from '../protocol/failing.js';
import type { ShardWorkerMessage, ShardWorkerOptions, ShardWorkerState } from './state.js';
import { KinactError } from '../../src/api/errors.js';
import type { SourceNotice } from '../../src/api/ports.js';

const throttled = new KinactError('AWS_ERROR', 'the service throttles', {
  retryable: true,
  data: { kind: 'throttled' },
});

export function noticed(
  options: ShardWorkerOptions,
  state: ShardWorkerState,
  notice: SourceNotice,
): Effect<ShardWorkerMessage> {
  const { source, shardId } = options.lease;
  switch (notice.type) {
    case 'throttled':
      state.failing = failedAgain(state.failing, 'GetRecords', throttled, options.clock.now());
      return { type: 'emit', event: { name: 'throttled', data: { source, shardId, delayMs: notice.delayMs } } };
    case 'trimmed': {
      const { certain, position } = notice;
      return { type: 'emit', event: { name: 'trimmed', data: { source, shardId, ...position, certain } } };
    }
    case 'retrying': {
      const { operation, error, delayMs } = notice;
      state.failing = failedAgain(state.failing, operation, error, options.clock.now());
      return { type: 'emit', event: retryingEvent(state.failing, delayMs, { source, shardId }) };
    }
    case 'iteratorExpired':
      return { type: 'count', what: 'expiredIterators' };
    default:
      return notice satisfies never;
  }
}
