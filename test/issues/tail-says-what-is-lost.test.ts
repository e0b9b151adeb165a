// `kinact tail --application` said nothing on stderr of records that had expired unread, of shards that nobody reads or that
// stand still, and of rows that contradict the stream: the consumer's events for these had no listener. `kinact tail` alone did.
import { expect } from 'chai';
import { sayEvents } from '../../src/cli/tail-events.js';
import { createEmitter, levels } from '../../src/consumer/emitter.js';
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
/** The command ends with the error of these, or says it as `pipelineRestarted`. */
const saidElsewhere: readonly ConsumerEventName[] = ['sourceFailed', 'closed', 'actorCrashed'];

describe('kinact tail --application', () => {
  it('says on stderr what people have to know: each event at error level, and what is lost or wrong', () => {
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
    expect(errors.filter((name) => events[name] === undefined && !saidElsewhere.includes(name))).to.deep.equal([]);
  });

  it('does not claim that records are lost where nobody knows', () => {
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
