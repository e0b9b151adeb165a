// A reducer notes for the report of a stop what waits in it: when the worker ends, and when the reducer itself is stopped first.
import { expect } from 'chai';
import { createLeftItems } from '../../../actors/protocol/left-items.js';
import { createRateLimit } from '../../../src/core/rate-limit.js';
import { retry } from '../../../src/options/retry-policy.js';
import { direct } from '../../support/direct-reducer.js';
import { ofType } from '../../support/direct.js';

const keys = (leftItems: ReturnType<typeof createLeftItems>): string[] =>
  [...leftItems.noted.values()].map(({ key, attempts, error }) => `${key} ${attempts} ${error}`);

describe('what a reducer notes for the report of a stop', () => {
  const failing = async (leftItems: ReturnType<typeof createLeftItems>) => {
    const reduce = (): never => {
      throw new Error('no');
    };
    const on = direct({ reduce }, { onFailure: retry(), leftItems });
    await on.end(
      on.itemsOf([
        ['a', 0],
        ['a', 1],
      ]),
    );
    return on;
  };

  it('is nothing before a stop has begun', async () => {
    const leftItems = createLeftItems();
    const on = await failing(leftItems);
    on.revoked(1);
    expect(keys(leftItems)).to.deep.equal([]);
  });

  it('is what waits of the worker that ends, each item once', async () => {
    const leftItems = createLeftItems();
    const on = await failing(leftItems);
    leftItems.isStopping = true;
    on.revoked(2);
    expect(keys(leftItems)).to.deep.equal([]);
    on.revoked(1);
    on.stop();
    expect(keys(leftItems)).to.deep.equal(['a 1 no', 'a 0 no']);
  });

  it('is what still waits when the reducer is stopped', async () => {
    const leftItems = createLeftItems();
    const on = await failing(leftItems);
    leftItems.isStopping = true;
    on.stop();
    expect(keys(leftItems)).to.have.length(2);
  });
});

describe('a call that has not ended when its shard is given up', () => {
  const hung = new Promise<never>(() => {});
  const texts = (leftItems: ReturnType<typeof createLeftItems>): string[] =>
    [...leftItems.noted.values()].map(
      ({ key, at, attempts, forMs, error }) => `${key} ${at} ${attempts} ${forMs} ${error}`,
    );
  const pairs = [
    ['a', 0],
    ['b', 1],
  ] as const;

  const behind = (...ids: string[]): string[] =>
    ids.map((id) => `${id} reduce 0 0 it waits behind a call that has not ended`);

  it('is named by its item, and so are the items behind it: in its call, and in the queue', () => {
    const leftItems = createLeftItems();
    const on = direct({ reduce: () => hung }, { leftItems });
    const effects = on.itemsOf(pairs);
    void ofType(effects, 'run')[0]!.start(new AbortController().signal);
    on.itemsOf([['c', 2]]);
    on.items([3], 2);
    leftItems.isStopping = true;
    on.clock.move(700);
    on.revoked(1);
    expect(texts(leftItems)).to.have.members(['a reduce 0 700 its call has not ended', ...behind('b', 'c')]);
    on.stop();
    expect(texts(leftItems)).to.include(behind('k')[0]);
  });

  for (const acknowledge of ['auto', 'manual'] as const)
    it(`keeps what is folded and not flushed behind it (acknowledge: ${acknowledge})`, async () => {
      const leftItems = createLeftItems();
      const reduce = (state: number[], { value, token }: any, { ack }: any): any => {
        if (value === 2) return hung;
        if (value === 0 && acknowledge === 'manual') ack(token);
        return [...state, value];
      };
      const on = direct({ reduce: reduce as never, flush: () => [], acknowledge }, { leftItems, batchSize: 10 });
      await on.end(on.itemsOf(pairs));
      for (const message of on.told) on.tell(message);
      const effects = on.itemsOf([['c', 2]]);
      void ofType(effects, 'run')[0]!.start(new AbortController().signal);
      leftItems.isStopping = true;
      on.revoked(1);
      const folded = acknowledge === 'manual' ? ['b'] : ['a', 'b'];
      expect(texts(leftItems)).to.have.members(['c reduce 0 0 its call has not ended', ...behind(...folded)]);
    });

  it('keeps the flush of another shard, the next batch and the items of its key behind it', async () => {
    const flushed = createLeftItems();
    const flushing = direct({ flush: () => hung, stateBy: 'shard' }, { leftItems: flushed });
    await flushing.end(flushing.items([0], 1));
    const effects = await flushing.end(flushing.items([1], 2));
    void ofType(effects, 'run')[0]!.start(new AbortController().signal);
    flushed.isStopping = true;
    flushing.stop();
    expect(texts(flushed)).to.have.members(['k flush 0 0 its call has not ended', ...behind('k')]);

    const called = createLeftItems();
    const calling = direct({ process: () => hung, concurrency: 2 }, { leftItems: called, batchSize: 2 });
    calling.itemsOf(pairs);
    calling.itemsOf([
      ['a', 2],
      ['c', 3],
    ]);
    called.isStopping = true;
    calling.stop();
    const named = [...called.noted.values()].map(({ key, sequenceNumber }) => `${key}${sequenceNumber}`);
    expect(named).to.have.members(['a0', 'b1', 'a2', 'c3']);
    expect(texts(called)).to.include.members(behind('a'));
  });

  it('keeps the later parts of its batch behind it, and what a failed call had put back', async () => {
    const parts = createLeftItems();
    const limit = createRateLimit(1, 1_000);
    const calling = direct({ process: () => hung }, { leftItems: parts, batchSize: 2, limit });
    calling.itemsOf(pairs);
    parts.isStopping = true;
    calling.stop();
    expect(texts(parts)).to.have.members(['a process 0 0 its call has not ended', ...behind('b')]);

    const carried = createLeftItems();
    const bad = { first: true };
    const folding = direct(
      { reduce: (state, { value }) => (value > 0 ? hung : bad.first ? expect.fail('no') : state) },
      { leftItems: carried, batchSize: 2, onFailure: retry({ minMs: 100, maxMs: 100 }) },
    );
    await folding.end(folding.itemsOf([['k', 0]]));
    await folding.drain(folding.itemsOf([1, 2, 3].map((n) => ['k', n] as const)));
    bad.first = false;
    folding.clock.move(100);
    // Three items are let go, and the next call takes two of them.
    const freed = await folding.end(folding.tell({ type: 'attemptDue' }));
    void ofType(freed, 'run')[0]!.start(new AbortController().signal);
    carried.isStopping = true;
    folding.stop();
    expect(texts(carried)).to.have.members(['k reduce 0 0 its call has not ended', ...behind('k', 'k')]);
  });

  it('is named by all items of the flush, the batch or the raw call', async () => {
    const flushed = createLeftItems();
    const flushing = direct({ flush: () => hung }, { leftItems: flushed });
    const begun = await flushing.end(flushing.itemsOf(pairs));
    void ofType(begun, 'run')[0]!.start(new AbortController().signal);
    flushed.isStopping = true;
    flushing.stop();
    expect(texts(flushed)).to.deep.equal(['a flush', 'b flush'].map((text) => `${text} 0 0 its call has not ended`));

    const batched = createLeftItems();
    const processing = direct({ process: () => hung }, { leftItems: batched });
    processing.itemsOf(pairs);
    batched.isStopping = true;
    processing.revoked(2);
    expect(texts(batched), 'of another worker').to.deep.equal([]);
    processing.revoked(1);
    expect(texts(batched)).to.deep.equal(
      ['a process', 'b process'].map((text) => `${text} 0 0 its call has not ended`),
    );

    const raw = createLeftItems();
    const behaving = direct({}, { definition: { init: () => 0, behaviour: () => hung } as never, leftItems: raw });
    behaving.itemsOf(pairs);
    raw.isStopping = true;
    behaving.stop();
    expect(texts(raw)).to.deep.equal(['a reduce', 'b reduce'].map((text) => `${text} 0 0 its call has not ended`));
  });

  it('says the causes of an error, too', async () => {
    const leftItems = createLeftItems();
    const reduce = (): never => {
      throw new Error('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    };
    const on = direct({ reduce }, { onFailure: retry(), leftItems });
    await on.end(on.itemsOf([['a', 0]]));
    leftItems.isStopping = true;
    on.stop();
    expect(texts(leftItems)).to.deep.equal(['a reduce 1 0 fetch failed: connect ECONNREFUSED']);
    expect(on.status().waiting[0]!.error).to.equal('fetch failed: connect ECONNREFUSED');
  });
});

describe('what has not been tried when its shard is given up', () => {
  const texts = (leftItems: ReturnType<typeof createLeftItems>): string[] =>
    [...leftItems.noted.values()].map(({ key, attempts, error }) => `${key} ${attempts} ${error}`);

  it('waits for the end of an outage, with the error of that', async () => {
    const leftItems = createLeftItems();
    const on = direct({ reduce: () => expect.fail('down') }, { onFailure: retry({ minMs: 5_000 }), leftItems });
    const keys = Array.from({ length: 10 }, (_, n) => [`k${n}`, n] as const);
    await on.drain(on.itemsOf(keys));
    await on.drain(on.itemsOf([['new', 10]]));
    leftItems.isStopping = true;
    on.stop();
    expect(texts(leftItems)).to.have.length(11).and.include('new 0 down');
  });

  it('waits behind a message that a raw behaviour has failed at, with the error of that', async () => {
    const leftItems = createLeftItems();
    const behaviour = (count: number, { type }: { readonly type: string }): number =>
      type === 'flush' ? expect.fail('down') : count;
    const definition = { init: () => 0, behaviour } as never;
    const on = direct({}, { definition, onFailure: retry({ minMs: 5_000 }), leftItems });
    await on.end(on.punctuation('flush'));
    on.items([0]);
    leftItems.isStopping = true;
    on.stop();
    expect(texts(leftItems)).to.deep.equal(['k 0 down']);
  });
});
