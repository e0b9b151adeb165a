// A flush fails whose items are of several leases, and one of them has ended: the policy is about the items of the others alone. The next
// owner decides about the rest.
import { expect } from 'chai';
import type { OnFailure } from '../../../src/api/failure-policy.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import { park } from '../../../src/options/park-policy.js';
import { direct, type Effects } from '../../support/direct-reducer.js';
import { ofType, sent, started } from '../../support/direct.js';

/** Items 0 and 1 of two leases are flushed together. The flush fails, and the first lease has ended by then. */
async function failed(onFailure: OnFailure) {
  const on = direct({ flush: () => expect.fail('no') }, { batchSize: 2, onFailure });
  on.tenures[1]!.deadline = on.clock.now() + 10;
  await on.end(on.items([0], 1));
  const folded = await on.end(on.items([1], 2));
  expect(started(folded)).to.deep.equal(['flush']);
  on.clock.move(10);
  return { ...on, effects: await on.end(folded) };
}

const settledIn = (effects: Effects, stage: any): unknown[] =>
  sent(effects, stage).flatMap((message: any) =>
    message.dispositions.map(({ shardWorker, ordinals, ended = false }: any) => [shardWorker, ordinals, ended]),
  );

describe('a failed flush with an item of a lease that has ended', () => {
  for (const how of ['at once', 'by a promise'] as const)
    it(`skips the items of the others alone, if the policy answers ${how}`, async () => {
      const { effects, end, stage } = await failed(how === 'at once' ? 'skip' : () => Promise.resolve('skip'));
      const over = how === 'at once' ? effects : await end(effects);
      expect(settledIn(over, stage)).to.have.deep.members([
        [1, [], true],
        [2, [1], false],
      ]);
      const events = ofType(over, 'emit').map(({ event }: any) => [event.name, event.data.shardId]);
      expect(events).to.deep.equal([['recordSkipped', 'shardId-2']]);
    });

  it('stops the shards of the others alone', async () => {
    const { tenures } = await failed('stopShard');
    expect([1, 2].map((shardWorker) => tenures[shardWorker]!.stopError !== undefined)).to.deep.equal([false, true]);
  });

  it('parks the items of the others alone', async () => {
    const kept: ParkedItem[] = [];
    const { effects, end, stage, status } = await failed(park(async (item) => void kept.push(item)));
    expect(settledIn(effects, stage)).to.deep.equal([[1, [], true]]);
    expect(settledIn(await end(effects), stage)).to.deep.equal([[2, [1], false]]);
    expect(kept.map(({ shardId }) => shardId)).to.deep.equal(['shardId-2']);
    expect(status().waiting).to.deep.equal([]);
  });
});

describe('a failed message to a raw behaviour whose lease ends before the policy answers', () => {
  it('does not count as stopped by the policy', async () => {
    const answers: ((policy: 'stopShard') => void)[] = [];
    const behaviour = (_: number, message: any, { ack }: any): never => {
      for (const { token } of message.items) ack(token);
      throw new Error('no');
    };
    const { items, end, tenures, clock } = direct(
      {},
      {
        definition: { init: () => 0, behaviour } as never,
        onFailure: () => new Promise((resolve) => void answers.push(resolve)),
      },
    );
    tenures[1]!.deadline = clock.now() + 10;
    const asked = await end(items([0]));
    clock.move(10);
    const answered = end(asked);
    answers[0]!('stopShard');
    await answered;
    expect([tenures[1]!.ended, tenures[1]!.stopError]).to.deep.equal([true, undefined]);
  });
});
