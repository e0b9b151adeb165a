// Symptom: `kinact tail --application` did not report expired records, shards that no worker reads or that stand still, or rows
// that contradict the stream. Cause: these events of the consumer had no listener. Only `kinact tail` without `--application`
// reported such things.
import { expect } from 'chai';
import { sayEvents } from '../../src/cli/tail-events.js';
import { createEmitter } from '../../src/consumer/emitter.js';
import { levels } from '../../src/consumer/log-line.js';
import type { ConsumerEventName, KinactEvent } from '../../src/api/events.js';
import { silentLogger } from '../../src/api/logger.js';

const shard = { source: 'orders', shardId: 'shardId-000000000000' };
const lease = { ...shard, leaseKey: shard.shardId };
const at = { sequenceNumber: '17', subSequenceNumber: 0 };
const error = new Error('no');

const events: Readonly<Partial<{ [Name in ConsumerEventName]: Extract<KinactEvent, { name: Name }>['data'] }>> = {
  trimmed: { ...shard, ...at, certain: false },
  malformedAggregate: { ...shard, ...at, complaint: 'it is too short' },
  malformedLease: { table: 'app', leaseKey: shard.shardId, reason: 'no counter' },
  checkpointBeyondTip: {
    ...lease,
    table: 'app',
    checkpoint: '99',
    newest: '17',
    reason: 'not of it',
    remedy: 'stop all workers',
  },
  leaseHole: { table: 'app', startingHashKey: '0', endingHashKey: '9' },
  leaseUnread: { ...lease, unreadMs: 11_000, reason: 'no worker' },
  leaseContradiction: { ...lease, table: 'app', remedy: 'stop all workers' },
  noProgress: { ...lease, tenures: 3, sinceMs: 30_000, reason: 'too slow' },
  leaseTableBusy: { table: 'app', leases: 4, writesPerSecond: 10 },
  orphaned: { actor: 'reducer/0#1', effects: ['reduce'] },
  warning: { message: 'look', error },
  retrying: { operation: 'GetRecords', kind: 'other', attempt: 1, error, delayMs: 1 },
  pipelineRestarted: { incarnation: 2, error },
};
/** The command ends with the error of these events, or reports it as `pipelineRestarted`. */
const saidElsewhere: readonly ConsumerEventName[] = ['sourceFailed', 'closed', 'actorCrashed'];
/** The command neither retries, nor parks, nor subscribes. */
const neverEmitted: readonly ConsumerEventName[] = ['outageStarted', 'parkingFailed', 'subscriptionTakenOver'];

describe('kinact tail --application', () => {
  it('reports, in one line each, every event at error level and every loss or contradiction', () => {
    const emitter = createEmitter(silentLogger);
    const said: string[] = [];
    sayEvents(
      emitter,
      (text) => said.push(text),
      (operation) => said.push(`${operation} again`),
    );
    for (const [name, data] of Object.entries(events)) {
      said.length = 0;
      emitter.emit({ name, data } as KinactEvent);
      expect(said, name).to.have.length(1);
    }
    const errors = (Object.keys(levels) as ConsumerEventName[]).filter((name) => levels[name] === 'error');
    const left = [...saidElsewhere, ...neverEmitted];
    expect(errors.filter((name) => events[name] === undefined && !left.includes(name))).to.deep.equal([]);
  });

  it('does not claim that records are lost if this is not certain', () => {
    const emitter = createEmitter(silentLogger);
    const said: string[] = [];
    sayEvents(
      emitter,
      (text) => said.push(text),
      () => {},
    );
    emitter.emit({ name: 'trimmed', data: { ...shard, ...at, certain: true } });
    emitter.emit({ name: 'trimmed', data: { ...shard, certain: false } });
    expect(said).to.deep.equal([
      `${shard.shardId}: records after 17 have expired unread`,
      `${shard.shardId}: records may have expired unread`,
    ]);
  });
});
