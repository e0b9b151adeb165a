// `onShardStarted` of a shard worker, one message at a time: nothing is read before it has succeeded, and nothing that it does can lose or
// pass a record.
import { expect } from 'chai';
import type { Effect } from '../../../actors/protocol/actor.js';
import type { ShardWorkerMessage } from '../../../actors/shard-worker/shard-worker.js';
import { createIntake, intakeOfShard, pauseIntake, resumeIntake } from '../../../src/core/intake.js';
import type { StartedShard } from '../../../src/api/options.js';
import { counted, emitted, ofType, started } from '../../support/direct.js';
import { directShardWorker } from '../../support/direct-shard-worker.js';

type Effects = readonly Effect<ShardWorkerMessage>[];

const place = { source: 'orders', shardId: 'shardId-1' };

/** A worker in its tenure, whose hook is called when the effects are run by `call`. */
function hooked(options: Parameters<typeof directShardWorker>[0] = {}) {
  const calls: StartedShard[] = [];
  const shardWorker = directShardWorker({ onShardStarted: (shard) => void calls.push(shard), ...options });
  const granted = shardWorker.grant({ hashKeyRange: { startingHashKey: '0', endingHashKey: '9' } });
  const ended = (attempt: number, error?: Error): Effects =>
    shardWorker.tell({ type: 'hookEnded', attempt, failure: error === undefined ? undefined : { error } });
  return { ...shardWorker, ...granted, calls, ended };
}

const hook = (effects: Effects) => ofType(effects, 'run').find(({ name }) => name.startsWith('onShardStarted'));
const timers = (effects: Effects): unknown[] =>
  ofType(effects, 'after').flatMap(({ key, ms, message }) => (key === 'hook' ? [[ms, message.type]] : []));

describe('onShardStarted of a shard worker', () => {
  it('is called when the tenure begins, and the shard is read when it has succeeded', () => {
    const { effects, calls, ended, opened, tenure, status } = hooked();
    expect(started(effects)).to.deep.equal(['onShardStarted#1']);
    hook(effects)!.start(new AbortController().signal);
    const [call] = calls;
    expect(call).to.deep.include({ ...place, fence: tenure.fence, hashKeyRange: tenure.hashKeyRange });
    expect([opened, status().doing]).to.deep.equal([[], 'starting']);
    const after = ended(1);
    expect([started(after), emitted(after)]).to.deep.equal([['read'], ['shardStarted']]);
    expect(opened).to.have.length(1);
  });

  it('is not called for a worker that reads nothing, and not before a pause of the application is over', () => {
    const waits = directShardWorker({ onShardStarted: () => expect.fail('not here') });
    expect(hook(waits.grant({ onlyAwaitsCalls: true }).effects)).to.equal(undefined);
    const intake = createIntake();
    pauseIntake(intake, 0);
    const { effects, tell } = hooked({ intake: intakeOfShard(intake, { source: 'orders', shardId: 's' }) });
    expect(hook(effects)).to.equal(undefined);
    resumeIntake(intake, 1);
    expect(hook(tell({ type: 'intakeChanged' }))).to.not.equal(undefined);
  });

  it('is repeated after a growing pause while it fails, and says so', () => {
    const { ended, tell, status, clock, opened } = hooked();
    const delays: unknown[] = [];
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      const failed = ended(attempt, new Error('no database'));
      expect(emitted(failed)).to.deep.equal(['retrying']);
      expect(started(failed)).to.deep.equal([]);
      delays.push(...timers(failed));
      clock.move(30_000);
      expect(started(tell({ type: 'hookDue', attempt }))).to.deep.equal([`onShardStarted#${attempt + 1}`]);
    }
    expect(delays.slice(0, 3)).to.deep.equal([100, 200, 400].map((ms) => [ms, 'hookDue']));
    expect(delays.at(-1)).to.deep.equal([30_000, 'hookDue']);
    expect(status().failing).to.deep.equal([
      { operation: 'onShardStarted', kind: 'other', attempts: 12, forMs: 360_000 - 0, error: 'no database' },
    ]);
    expect(opened).to.deep.equal([]);
    expect(started(ended(13))).to.deep.equal(['read']);
    expect(status().failing).to.deep.equal([]);
  });

  it('gets an aborted signal at its deadline, may still succeed, and crashes the worker if it has not ended after another', () => {
    const late = hooked();
    expect(timers(late.effects)).to.deep.equal([[1_000, 'hookOverdue']]);
    const overdue = late.tell({ type: 'hookOverdue', attempt: 1, isLast: false });
    expect(ofType(overdue, 'abort').map(({ name }) => name)).to.deep.equal(['onShardStarted#1']);
    expect(started(late.ended(1))).to.deep.equal(['read']);

    const stuck = hooked();
    stuck.tell({ type: 'hookOverdue', attempt: 1, isLast: false });
    const [failed] = ofType(stuck.tell({ type: 'hookOverdue', attempt: 1, isLast: true }), 'fail');
    expect(failed?.error).to.include({ code: 'WATCHDOG' });
  });

  it('gets an aborted signal when the lease is lost', () => {
    const lease = new AbortController();
    const { calls, effects } = hooked();
    hook(effects)!.start(new AbortController().signal);
    expect(calls[0]!.signal.aborted).to.equal(false);
    const lost = directShardWorker({ onShardStarted: (shard) => void calls.push(shard) });
    hook(lost.grant({ signal: lease.signal }).effects)!.start(new AbortController().signal);
    lease.abort(new Error('lost'));
    expect(calls[1]!.signal.reason).to.have.property('message', 'lost');
  });

  it('is waited for by a drain and by a pause, but its repetition is not', () => {
    for (const order of ['drain', 'pause'] as const) {
      const { control, pause, ended, endOf } = hooked();
      const asked = order === 'drain' ? control('drain') : pause(1);
      expect(endOf(asked), order).to.equal(undefined);
      expect(endOf(ended(1, new Error('no'))), order).to.deep.equal({ type: 'drained', open: 0 });
    }
  });

  it('does not end a worker whose pause is over before it has succeeded: the worker reads on', () => {
    const { pause, tell, ended, endOf, tenure } = hooked();
    pause(1);
    tell({ type: 'resume', fence: tenure.fence, number: 1 });
    const after = ended(1);
    expect([endOf(after), started(after)]).to.deep.equal([undefined, ['read']]);
  });

  it('does not hold a worker whose lease is lost', () => {
    const { control, endOf } = hooked();
    expect(endOf(control('revoked'))).to.deep.equal({ type: 'tenureEnded' });
  });

  it('counts messages about an earlier call, and changes nothing', () => {
    const { ended, tell } = hooked();
    ended(1, new Error('no'));
    expect(counted(ended(1))).to.deep.equal({ repeatedMessages: 1 });
    tell({ type: 'hookDue', attempt: 1 });
    for (const message of [
      { type: 'hookDue', attempt: 1 },
      { type: 'hookEnded', attempt: 1, failure: undefined },
      { type: 'hookOverdue', attempt: 1, isLast: false },
      { type: 'hookOverdue', attempt: 2, isLast: true },
    ] as const) {
      const effects = tell(message);
      expect([counted(effects), started(effects)], message.type).to.deep.equal([{ repeatedMessages: 1 }, []]);
    }
  });
});
