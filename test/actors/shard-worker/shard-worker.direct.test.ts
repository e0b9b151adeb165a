// What a shard worker's `receive` returns, one message at a time and without a runtime. The test itself answers as keeper, reader and
// stages. The other files shard-worker*.test.ts test workers among other actors.
import { expect } from 'chai';
import type { ShardWorkerEnd } from '../../../actors/protocol/tenure.js';
import type { ShardWorkerMessage } from '../../../actors/shard-worker/shard-worker.js';
import type { StartPosition } from '../../../src/core/position.js';
import { asked, counted, emitted, ofType, sent, started } from '../../support/direct.js';
import { directShardWorker, nothing, settled } from '../../support/direct-shard-worker.js';

const drained: ShardWorkerEnd = { type: 'drained', open: 0 };

describe('a shard worker, message by message', () => {
  it('asks its keeper for a tenure first, and ends if the tenure is refused', () => {
    const { first, keeper, self, tell, opened, status } = directShardWorker();
    expect(first).to.have.length(1);
    const [begin] = asked(first, keeper);
    expect(begin?.question).to.include({ type: 'beginTenure', shardWorker: 1, shardWorkerRef: self });
    expect(ofType(tell(begin!.answered({ type: 'refused', reason: 'no' })), 'end')).to.have.length(1);
    expect(opened).to.deep.equal([]);
    expect(status().doing).to.equal('ended');
  });

  it('opens its reader at the start position of the tenure, and reads', () => {
    const { grant, opened } = directShardWorker();
    const start: StartPosition = { type: 'after', position: { sequenceNumber: '7', subSequenceNumber: 0 } };
    const { effects } = grant({ start });
    expect(opened).to.deep.equal([start]);
    expect(started(effects)).to.deep.equal(['read']);
    expect(emitted(effects)).to.deep.equal(['shardStarted']);
    expect(ofType(effects, 'after').find(({ key }) => key === 'watchdog')).to.include({ ms: 1_000 });
  });

  it('has one read open at a time, and only while the ledger has room', () => {
    const { grant, read, answer, tell, notified, status } = directShardWorker({ maxPending: 2 });
    grant();
    expect(started(tell({ type: 'askedToFlush' })), 'while it reads').to.deep.equal([]);
    expect(started(read(1))).to.deep.equal(['read']);
    expect(started(read(2)), 'full').to.deep.equal([]);
    expect(started(answer('collect', settled(0)))).to.deep.equal(['read']);
    expect(started(read(3, 4))).to.deep.equal([]);
    expect(status()).to.include({ admitted: 3, openRecords: 2 });
    expect(notified(answer('notify', settled(1)))).to.deep.equal([[1, 2, 3]]);
  });

  it('starts no read while a fetched record does not fit into the ledger', () => {
    const { grant, read, status } = directShardWorker({ maxPendingBytes: 5 });
    grant();
    expect(started(read(1, 2, 3))).to.deep.equal([]);
    expect(status()).to.include({ admitted: 2, openBytes: 4 });
  });

  it('has at most one `notify` and one `collect` open per stage, and none without need', () => {
    const { grant, read, answer, asks, notified } = directShardWorker({ maxPending: 100 }, 2);
    expect(asks(grant().effects)).to.deep.equal([]);
    const first = read(1, 2, 3);
    expect([notified(first, 0), notified(first, 1)]).to.deep.equal([[[0, 2]], [[1]]]);
    for (const stage of [0, 1]) expect(asks(first, stage)).to.deep.equal(['notify', 'collect']);
    const second = read(4, 5);
    expect([asks(second, 0), asks(second, 1)]).to.deep.equal([[], []]);
    const third = answer('notify', nothing, 1);
    expect([notified(third, 0), notified(third, 1)]).to.deep.equal([[], [[3]]]);
    expect(asks(answer('collect', settled(0)))).to.deep.equal(['collect']);
    answer('notify', settled(1, 2, 3));
    expect(asks(answer('collect', settled(4))), 'nothing is open').to.deep.equal([]);
  });

  it('reports only a frontier that moves forward, in whatever order records are settled', () => {
    const { grant, read, answer, frontiers } = directShardWorker();
    grant();
    read(10, 11, 12);
    expect(frontiers(answer('collect', settled(1)))).to.deep.equal([]);
    expect(frontiers(answer('collect', settled(0)))).to.deep.equal([['11', 2]]);
    expect(frontiers(answer('collect', settled(0, 1)))).to.deep.equal([]);
    expect(frontiers(answer('collect', settled(2)))).to.deep.equal([['12', 3]]);
  });

  it('settles a record with its last item, and a record without items at once', () => {
    const { grant, read, answer, frontiers, status } = directShardWorker();
    grant();
    read(10, 11);
    expect(frontiers(answer('notify', { ...settled(1), itemCounts: [0, 0, 1, 2] }))).to.deep.equal([['10', 1]]);
    expect(frontiers(answer('collect', { ...nothing, ordinals: [1], items: [1] }))).to.deep.equal([['11', 2]]);
    expect(status()).to.include({ settled: 2, openRecords: 0 });
  });

  it('skips duplicates and records that the checkpoint covers, and counts the duplicates', () => {
    const { grant, read, notified, status } = directShardWorker();
    grant({ start: { type: 'after', position: { sequenceNumber: '7', subSequenceNumber: 0 } } });
    const effects = read(6, 7, 8, 8, 9);
    expect(notified(effects)).to.deep.equal([[0, 1]]);
    expect(counted(effects)).to.deep.equal({ duplicateRecords: 1 });
    expect(status()).to.include({ admitted: 2, duplicates: 1 });
  });

  it('aborts its read on `drain`, sends the drain punctuation, and ends when everything is settled', () => {
    const { grant, read, answer, control, asks, endOf, keeper, stages, closed, status } = directShardWorker();
    const { tenure } = grant();
    read(1, 2);
    const effects = control('drain');
    expect(ofType(effects, 'abort')).to.have.length(1);
    expect(closed).to.have.length(1);
    expect(asks(effects)).to.deep.equal(['drain']);
    expect(status().doing).to.equal('draining');
    expect(endOf(answer('collect', settled(0)))).to.equal(undefined);
    const last = answer('collect', settled(1));
    expect(endOf(last)).to.deep.equal(drained);
    expect(tenure.ended).to.equal(true);
    expect(sent(last, stages[0]!)).to.deep.equal([{ type: 'retire', shardWorker: 1 }]);
    expect(sent(last, keeper).map(({ type }) => type)).to.deep.equal(['frontier', 'shardWorkerEnded']);
    expect(last.at(-1)).to.deep.equal({ type: 'end' });
  });

  it('is not drained while a call that has acknowledged early may still run', () => {
    const { grant, read, answer, control, asks, endOf } = directShardWorker({ acksEarly: true });
    grant();
    read(1);
    answer('collect', settled(0));
    const effects = control('drain');
    expect(asks(effects)).to.deep.equal(['drain']);
    expect(endOf(effects)).to.equal(undefined);
    expect(endOf(answer('punctuate', true))).to.deep.equal(drained);
  });

  it('reads and admits nothing while paused, and ends only after a drain punctuation behind the last settle', () => {
    const { grant, read, answer, pause, asks, endOf, status } = directShardWorker();
    grant();
    read(1);
    expect(asks(pause(1))).to.deep.equal(['drain']);
    expect([started(read(2)), status().admitted]).to.deep.equal([[], 1]);
    answer('collect', settled(0));
    const asking = answer('punctuate', true);
    expect(endOf(asking), 'that punctuation was before the last settle').to.equal(undefined);
    expect(asks(asking)).to.deep.equal(['drain']);
    expect(endOf(answer('punctuate', true))).to.deep.equal(drained);
  });

  it('sends the drain punctuation at a pause even if nothing is open, because a call may run', () => {
    const { grant, read, answer, pause, asks, endOf } = directShardWorker();
    grant();
    read(1);
    answer('notify', settled(0));
    const effects = pause(1);
    expect([asks(effects), endOf(effects)]).to.deep.equal([['drain'], undefined]);
    expect(started(read()), 'there is room, but it is paused').to.deep.equal([]);
    expect(endOf(answer('punctuate', true))).to.deep.equal(drained);
  });

  it('obeys only a `resume` with the number of its last pause', () => {
    const { grant, read, pause, resume, answer, notified, status } = directShardWorker();
    grant();
    read(1);
    pause(2);
    expect(counted(pause(1)), 'an older pause').to.deep.equal({ repeatedMessages: 1 });
    read(2);
    answer('notify');
    for (const wrong of [1, 3]) expect([resume(wrong), status().doing]).to.deep.equal([[], 'draining']);
    const effects = resume(2);
    expect(started(effects)).to.deep.equal(['read']);
    expect(notified(effects), 'what came while it was paused').to.deep.equal([[1]]);
    pause(3);
    expect([resume(2), status().doing], 'late').to.deep.equal([[], 'draining']);
  });

  it('ends with shardEnd only when everything is settled', () => {
    const { grant, read, shardEnd, answer, asks, endOf } = directShardWorker();
    grant();
    read(1, 2);
    const effects = shardEnd();
    expect([started(effects), endOf(effects), asks(effects)]).to.deep.equal([[], undefined, ['drain']]);
    answer('punctuate', true);
    expect(endOf(answer('collect', settled(1)))).to.equal(undefined);
    expect(endOf(answer('notify', settled(0)))).to.deep.equal({ type: 'shardEnd', notFound: false, children: [] });
  });

  it('ends when its tenure has ended, is revoked or stopped by policy, after its last frontier', () => {
    for (const how of ['ended', 'revoked', 'stopShard'] as const) {
      const { grant, read, answer, control, tell, endOf, frontiers } = directShardWorker();
      const { tenure } = grant();
      read(1, 2);
      if (how !== 'revoked') tenure.ended = true;
      if (how === 'stopShard') tenure.stopError = new Error('bad');
      const effects = how === 'revoked' ? control('revoked') : answer('collect', { ...settled(0), ended: true });
      expect(frontiers(effects), how).to.deep.equal(how === 'revoked' ? [] : [['1', 1]]);
      expect(endOf(effects)?.type, how).to.equal(how === 'stopShard' ? 'stopShard' : 'tenureEnded');
      expect(tell({ type: 'watchdog' }), 'nothing after its end').to.deep.equal([]);
    }
  });

  it('counts and ignores a control message with another fence', () => {
    const { grant, control, pause, status } = directShardWorker();
    expect(counted(pause(1)), 'before its tenure').to.deep.equal({ staleControls: 1 });
    grant();
    for (const type of ['drain', 'revoked'] as const) {
      expect(control(type, 9)).to.deep.equal([{ type: 'count', what: 'staleControls', by: 1 }]);
      expect(status().doing).to.equal('reading');
    }
  });

  it('asks for a flush when its ledger is full, and again only after a change', () => {
    const { grant, read, answer, tell, asks } = directShardWorker({ maxPending: 2, flushes: true });
    grant();
    expect(asks(read(1, 2))).to.deep.equal(['notify', 'collect', 'flush']);
    answer('punctuate', true);
    expect(asks(tell({ type: 'askedToFlush' }))).to.deep.equal([]);
    answer('collect', settled(0));
    expect(asks(read(3)), 'full again').to.not.include('flush');
    expect(asks(answer('notify'))).to.deep.equal(['notify', 'flush']);
  });

  it('locates its oldest record when the frontier stands still, and fails if that record is stuck', () => {
    const { grant, read, tell, answer, clock, asks } = directShardWorker();
    grant();
    read(1);
    const watchdog: ShardWorkerMessage = { type: 'watchdog' };
    clock.move(999);
    expect(asks(tell(watchdog))).to.deep.equal([]);
    clock.move(1);
    expect(asks(tell(watchdog))).to.deep.equal(['locate']);
    const held = { actor: 'reducer/0#9', state: 'running' };
    expect(ofType(answer('locate', { ...held, forMs: 999 }), 'fail'), 'only slow').to.deep.equal([]);
    const [failure] = ofType(answer('locate', { ...held, forMs: 1_000 }), 'fail');
    expect(failure?.error).to.include({ code: 'WATCHDOG' });
  });

  it('reports once that reading has stopped, although `locatedForReadingStop` is repeated', () => {
    const { grant, read, tell, clock, answer } = directShardWorker({ maxPending: 1 });
    grant();
    read(1);
    clock.move(1_000);
    tell({ type: 'readingStopDue' });
    const where = { actor: 'reducer/0#9', state: 'waiting', forMs: 5, key: 'k' } as const;
    const first = answer('locate', where);
    const again = tell({ type: 'locatedForReadingStop', ordinal: 0, whereabouts: where });
    expect([emitted(first), emitted(again)]).to.deep.equal([['readingStopped'], []]);
    expect(ofType(again, 'after'), 'nor is it asked again').to.deep.equal([]);
  });

  it('ends its tenure as soon as it crashes or is stopped, although its keeper may hear of it later', () => {
    const { grant, read, stop } = directShardWorker();
    const { tenure } = grant();
    read(1);
    expect(tenure.ended).to.equal(false);
    stop();
    expect(tenure.ended).to.equal(true);
  });

  it('counts a repeated allowance to go on with admission, and admits nothing for it', () => {
    const { grant, tell, status } = directShardWorker();
    grant();
    const effects = tell({ type: 'admit', slice: 0 });
    expect([counted(effects), status().admitted]).to.deep.equal([{ repeatedMessages: 1 }, 0]);
  });
});
