// Turns a reader's notices into the shard worker's events and counters.
import { effect } from '../protocol/actor.js';
import { failedAgain, retryingEvent } from '../protocol/repeated-failure.js';
import type { ShardWorkerTurn } from './turn.js';
import { KinactError } from '../../src/api/errors.js';
import type { SourceNotice } from '../../src/api/ports.js';

const throttledError = new KinactError('AWS_ERROR', 'The service throttles.', {
  retryable: true,
  data: { kind: 'throttled' },
});

export function emitNotice({ options, state, now, effects }: ShardWorkerTurn, notice: SourceNotice): void {
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
    case 'retrieval': {
      const { by, why, error } = notice;
      const reason = why === undefined ? {} : { why };
      const cause = error === undefined ? {} : { error };
      // The same reason comes again once it is known to last.
      const isSame = state.retrieval.by === by && state.retrieval.why === why;
      state.retrieval = { by, since: isSame ? state.retrieval.since : now, ...reason, ...cause };
      effects.push(effect.emit({ name: 'retrievalChanged', data: { source, shardId, by, ...reason, ...cause } }));
      return;
    }
    case 'takenOver': {
      const { consumer, times } = notice;
      effects.push(effect.emit({ name: 'subscriptionTakenOver', data: { source, shardId, consumer, times } }));
      return;
    }
    case 'subscription':
      effects.push(countSubscription(notice.outcome));
  }
}

function countSubscription(
  outcome: Extract<SourceNotice, { type: 'subscription' }>['outcome'],
): ReturnType<typeof effect.count> {
  switch (outcome) {
    case 'begun':
      return effect.count('subscriptionsBegun');
    case 'renewed':
      return effect.count('subscriptionsRenewed');
    case 'shardEnd':
      return effect.count('subscriptionsToShardEnd');
    case 'unused':
      return effect.count('subscriptionsUnused');
    case 'takenOver':
      return effect.count('subscriptionsTakenOver');
    case 'refused':
      return effect.count('subscriptionsRefused');
    case 'broken':
      return effect.count('subscriptionsBroken');
    case 'silent':
      return effect.count('subscriptionsSilent');
  }
}
