// Turns a reader's notices into the worker's events and counters.
import { effect } from '../protocol/actor.js';
import { failedAgain, retryingEvent } from '../protocol/repeated-failure.js';
import type { WorkerTurn } from './state.js';
import { KinactError } from '../../src/api/errors.js';
import type { SourceNotice } from '../../src/api/ports.js';

const throttledError = new KinactError('AWS_ERROR', 'The service throttles.', {
  retryable: true,
  data: { kind: 'throttled' },
});

export function emitNotice({ options, state, now, effects }: WorkerTurn, notice: SourceNotice): void {
  const { source, shardId } = options.lease;
  switch (notice.type) {
    case 'throttled':
      state.failing = failedAgain(state.failing, 'GetRecords', throttledError, now);
      effects.push(effect.emit({ name: 'throttled', data: { source, shardId, delayMs: notice.delayMs } }));
      return;
    case 'trimmed': {
      const { certain, position } = notice;
      effects.push(effect.emit({ name: 'trimmed', data: { source, shardId, ...position, certain } }));
      return;
    }
    case 'retrying': {
      const { operation, error, delayMs } = notice;
      state.failing = failedAgain(state.failing, operation, error, now);
      effects.push(effect.emit(retryingEvent(state.failing, delayMs, { source, shardId })));
      return;
    }
    case 'iteratorExpired':
      effects.push(effect.count('expiredIterators'));
      return;
    default:
      notice satisfies never;
  }
}
