// The policy `park` for records that give no item: `extract` or `key` throws, or an aggregate cannot be decoded. Real actors in virtual
// time. The record stays open until a sink keeps it, and later records go on.
import { expect } from 'chai';
import { createLeftItems } from '../../actors/protocol/left-items.js';
import type { ParkedItem } from '../../src/api/parking.js';
import { defineReducer } from '../../src/api/reducer.js';
import { park } from '../../src/options/park-policy.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { envelope, message } from '../support/aggregate-bytes.js';
import { pipelines, shard0 } from '../support/pipeline-probes.js';

const start = pipelines();

/** An aggregate whose second user record cannot be decoded. */
const undecodable = envelope(
  message(
    ['k'],
    [
      { pk: 0, data: 'a' },
      { pk: 9, data: 'b' },
    ],
  ),
  'kpl',
);

const failures = {
  extract: { at: 'extract', bad: Buffer.from('bad'), seen: ['after'], sub: undefined },
  key: { at: 'key', bad: Buffer.from('bad'), seen: ['after'], sub: undefined },
  decode: { at: 'decode', bad: undecodable, seen: ['a', 'after'], sub: 1 },
} as const;

/** Puts a bad record and a good one. The sink answers as `answers` says, in turn; the last answer stays. */
async function run(
  what: keyof typeof failures,
  answers: ('keep' | 'refuse' | 'hang')[],
  watchdogMs = 600_000,
  maxPending = 1_024,
) {
  const leftItems = createLeftItems();
  const stream = fakeStream();
  const seen: string[] = [];
  const asked: { readonly item: ParkedItem; readonly signal: AbortSignal }[] = [];
  const onFailure = park(async (item, { signal }) => {
    asked.push({ item, signal });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === 'refuse') throw new Error('disk full');
    return answer === 'hang' ? new Promise(() => {}) : undefined;
  });
  const refuseBad = (data: Buffer): string => {
    if (data.toString() === 'bad') throw new Error('no');
    return data.toString();
  };
  const pipeline = start({
    stage: {
      onFailure,
      leftItems,
      ...(what === 'extract' ? { extract: ({ data }) => [{ key: refuseBad(data), value: data }] } : {}),
      ...(what === 'key' ? { key: ({ data }) => refuseBad(data) } : {}),
    },
    shardWorker: { onFailure, watchdogMs, leftItems, maxPending },
    definition: defineReducer({ init: () => 0, reduce: (n: number, { value }) => (seen.push(value.toString()), n) }),
  });
  const [bad, after] = stream
    .put({ partitionKey: 'k', data: failures[what].bad }, { partitionKey: 'k', data: 'after' })
    .map(({ sequenceNumber }) => sequenceNumber);
  const reader = pipeline.read(stream.port, shard0);
  await pipeline.clock.advance(10);
  const crashes = (): unknown[] => pipeline.events.filter(({ name }) => name === 'actorCrashed');
  const passed = (): unknown => reader.keeper.frontiers.at(-1)?.position.sequenceNumber;
  return { ...reader, pipeline, seen, asked, bad, after, crashes, passed, leftItems, stream };
}

for (const [what, { at, seen: expected, sub }] of Object.entries(failures)) {
  describe(`a record that fails at ${at}, under park`, () => {
    it('is settled when the sink keeps it, and not before', async () => {
      const { seen, asked, bad, after, passed, pipeline } = await run(what as 'key', ['refuse', 'keep']);
      expect(seen).to.deep.equal(expected);
      expect(passed()).to.not.equal(after);
      await pipeline.clock.advance(1_000);
      expect(passed()).to.equal(after);
      expect(asked).to.have.length(2);
      const { idempotencyKey, itemIndex, key, data, ...item } = asked[1]!.item;
      expect(idempotencyKey).to.equal(`fake@1/${shard0}/${bad}/${sub ?? '-'}/-`);
      expect([itemIndex, key]).to.deep.equal([undefined, undefined]);
      expect(data.equals(failures[what as 'key'].bad)).to.equal(true);
      expect(item).to.include({ at, attempts: 1, sequenceNumber: bad, subSequenceNumber: sub, partitionKey: 'k' });
      const { parkedItems, failedParkings, duplicateRecords } = pipeline.counters();
      expect([parkedItems, failedParkings, duplicateRecords]).to.deep.equal([1, 1, undefined]);
    });

    it('is no stall for the watchdog, however long the sink refuses', async () => {
      const { pipeline, crashes, passed, after } = await run(what as 'key', ['refuse'], 1_000);
      await pipeline.clock.advance(120_000);
      expect(crashes()).to.deep.equal([]);
      expect(passed()).to.not.equal(after);
    });

    it('is tried once more at a drain, and the worker ends without it if the sink refuses again', async () => {
      const { keeper, asked, pipeline } = await run(what as 'key', ['refuse']);
      await pipeline.clock.advance(20_000);
      const before = asked.length;
      keeper.control({ type: 'drain' });
      await pipeline.clock.advance(5);
      expect(asked.length - before).to.equal(1);
      expect(keeper.ends).to.deep.equal([{ type: 'drained', open: 1, isCut: true }]);
    });

    it('is named in the report of a stop that ends while the sink refuses it', async () => {
      const { keeper, pipeline, leftItems, bad } = await run(what as 'key', ['refuse']);
      leftItems.isStopping = true;
      keeper.control({ type: 'drain' });
      await pipeline.clock.advance(5);
      expect(keeper.ends).to.have.length(1);
      const noted = [...leftItems.noted.values()].map((each) => [each.shardId, each.sequenceNumber, each.at]);
      expect(noted).to.deep.equal([[shard0, bad, at]]);
    });

    it('is named when reading of the shard has stopped', async () => {
      const { pipeline, bad, stream } = await run(what as 'key', ['refuse'], 600_000, what === 'decode' ? 2 : 1);
      stream.put(...Array.from({ length: 200 }, () => ({ partitionKey: 'k', data: 'more' })));
      await pipeline.clock.advance(10_000);
      const stopped = pipeline.events.filter(({ name }) => name === 'readingStopped') as any[];
      expect(stopped.map(({ data }) => [data.sequenceNumber, data.error instanceof Error])).to.deep.equal([
        [bad, true],
      ]);
    });

    it('is settled by a drain if the sink keeps it then', async () => {
      const { keeper, pipeline, after, passed } = await run(what as 'key', ['refuse', 'refuse', 'refuse', 'keep']);
      await pipeline.clock.advance(400);
      keeper.control({ type: 'drain' });
      await pipeline.clock.advance(5);
      expect(passed()).to.equal(after);
      expect(keeper.ends).to.deep.equal([{ type: 'drained', open: 0 }]);
    });

    it('is waited for at a drain while the sink is called', async () => {
      const { keeper, pipeline, crashes } = await run(what as 'key', ['hang']);
      keeper.control({ type: 'drain' });
      await pipeline.clock.advance(29_000);
      expect([keeper.ends, crashes()]).to.deep.equal([[], []]);
    });

    it('is dropped with its lease, and the signal of the call aborts', async () => {
      const { keeper, asked, pipeline, passed, after, crashes } = await run(what as 'key', ['hang']);
      expect(asked[0]!.signal.aborted).to.equal(false);
      keeper.control({ type: 'revoked', reason: 'lost' });
      await pipeline.clock.advance(5);
      expect(asked[0]!.signal.aborted).to.equal(true);
      await pipeline.clock.advance(70_000);
      expect([asked.length, crashes()]).to.deep.equal([1, []]);
      expect(passed()).to.not.equal(after);
    });

    it('crashes the actor if the call does not settle even after its signal', async () => {
      const { pipeline, crashes, asked } = await run(what as 'key', ['hang']);
      await pipeline.clock.advance(30_000);
      expect([asked[0]!.signal.aborted, crashes()]).to.deep.equal([true, []]);
      await pipeline.clock.advance(30_000);
      expect(JSON.stringify(crashes())).to.include('has not settled');
    });
  });
}
