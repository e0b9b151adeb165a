// When a full shard asks its reducers whether they wait for more items, message by message. pending-limit.test.ts has the reducers, too.
import { expect } from 'chai';
import { asked, counted, emitted, ofType } from '../../support/direct.js';
import { directShardWorker, settled } from '../../support/direct-shard-worker.js';

/** A shard worker that is full with one record, ten seconds later. */
function fullFor10s(options: Parameters<typeof directShardWorker>[0] = {}, stageCount = 2) {
  const shardWorker = directShardWorker({ maxPending: 1, ...options }, stageCount);
  shardWorker.grant();
  const effects = shardWorker.read(1);
  shardWorker.clock.move(10_000);
  return { ...shardWorker, effects, due: () => shardWorker.tell({ type: 'limitDue' }) };
}

describe('a full shard, message by message', () => {
  it('asks the stages only that have its records, and warns once they say that all of them wait', () => {
    const { due, stages, answer } = fullFor10s();
    const effects = due();
    expect(asked(effects, stages[0]!).map(({ question }) => question)[0]).to.deep.include({
      type: 'waitsForAck',
      nextStages: [],
    });
    expect(asked(effects, stages[1]!)).to.deep.equal([]);
    expect(emitted(answer('waitsForAck', 10_000))).to.deep.equal(['warning']);
  });

  it('says nothing, and sets no timer, if it is not full any more when the answer comes', () => {
    const { due, answer } = fullFor10s();
    due();
    answer('collect', settled(0));
    const effects = answer('waitsForAck', 10_000);
    expect([emitted(effects), ofType(effects, 'after').filter(({ key }) => key === 'limit')]).to.deep.equal([[], []]);
  });

  it('counts a question that has failed', () => {
    const { due, stages, tell } = fullFor10s();
    const [question] = asked(due(), stages[0]!);
    expect(counted(tell(question!.failed(new Error('stopped'))))).to.deep.equal({ askFailures: 1 });
  });

  it('asks again later if no stage has anything: it waits for a failure policy', () => {
    const { due, stages } = fullFor10s({
      unpack: () => ({ records: [], isDivisible: true, undecoded: { reason: 'cut off' } }),
      onFailure: () => new Promise(() => undefined),
    });
    const effects = due();
    expect(stages.flatMap((stage) => asked(effects, stage))).to.deep.equal([]);
    expect(ofType(effects, 'after').find(({ key }) => key === 'limit')).to.include({ ms: 10_000 });
  });
});
