// A reducer notes for the report of a stop what waits in it: when the worker ends, and when the reducer itself is stopped first.
import { expect } from 'chai';
import { createLeftItems } from '../../actors/protocol/left-items.js';
import { retry } from '../../src/options/retry-policy.js';
import { direct } from '../support/direct-reducer.js';
import { ofType } from '../support/direct.js';

const keys = (left: ReturnType<typeof createLeftItems>): string[] =>
  [...left.noted.values()].map(({ key, attempts, error }) => `${key} ${attempts} ${error}`);

describe('what a reducer notes for the report of a stop', () => {
  const failing = async (left: ReturnType<typeof createLeftItems>) => {
    const reduce = (): never => {
      throw new Error('no');
    };
    const on = direct({ reduce }, { onFailure: retry(), left });
    await on.end(
      on.itemsOf([
        ['a', 0],
        ['a', 1],
      ]),
    );
    return on;
  };

  it('is nothing before a stop has begun', async () => {
    const left = createLeftItems();
    const on = await failing(left);
    on.revoked(1);
    expect(keys(left)).to.deep.equal([]);
  });

  it('is what waits of the worker that ends, each item once', async () => {
    const left = createLeftItems();
    const on = await failing(left);
    left.isStopping = true;
    on.revoked(2);
    expect(keys(left)).to.deep.equal([]);
    on.revoked(1);
    on.stop();
    expect(keys(left)).to.deep.equal(['a 1 no', 'a 0 no']);
  });

  it('is what still waits when the reducer is stopped', async () => {
    const left = createLeftItems();
    const on = await failing(left);
    left.isStopping = true;
    on.stop();
    expect(keys(left)).to.have.length(2);
  });
});

describe('a call that has not ended when its shard is given up', () => {
  const hung = new Promise<never>(() => {});
  const texts = (left: ReturnType<typeof createLeftItems>): string[] =>
    [...left.noted.values()].map(({ key, at, attempts, forMs, error }) => `${key} ${at} ${attempts} ${forMs} ${error}`);
  const pairs = [
    ['a', 0],
    ['b', 1],
  ] as const;

  it('is named by its item', () => {
    const left = createLeftItems();
    const on = direct({ reduce: () => hung }, { left });
    const effects = on.itemsOf(pairs);
    void ofType(effects, 'run')[0]!.start(new AbortController().signal);
    left.isStopping = true;
    on.clock.move(700);
    on.revoked(1);
    expect(texts(left)).to.deep.equal(['a reduce 0 700 its call has not ended']);
  });

  it('is named by all items of the flush, the batch or the raw call', async () => {
    const flushed = createLeftItems();
    const flushing = direct({ flush: () => hung }, { left: flushed });
    await flushing.end(flushing.itemsOf(pairs));
    flushed.isStopping = true;
    flushing.stop();
    expect(texts(flushed)).to.deep.equal(['a flush', 'b flush'].map((text) => `${text} 0 0 its call has not ended`));

    const batched = createLeftItems();
    const processing = direct({ process: () => hung }, { left: batched });
    processing.itemsOf(pairs);
    batched.isStopping = true;
    processing.revoked(2);
    expect(texts(batched), 'of another worker').to.deep.equal([]);
    processing.revoked(1);
    expect(texts(batched)).to.deep.equal(
      ['a process', 'b process'].map((text) => `${text} 0 0 its call has not ended`),
    );

    const raw = createLeftItems();
    const behaving = direct({}, { definition: { init: () => 0, behaviour: () => hung } as never, left: raw });
    behaving.itemsOf(pairs);
    raw.isStopping = true;
    behaving.stop();
    expect(texts(raw)).to.deep.equal(['a reduce', 'b reduce'].map((text) => `${text} 0 0 its call has not ended`));
  });

  it('says the causes of an error, too', async () => {
    const left = createLeftItems();
    const reduce = (): never => {
      throw new Error('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    };
    const on = direct({ reduce }, { onFailure: retry(), left });
    await on.end(on.itemsOf([['a', 0]]));
    left.isStopping = true;
    on.stop();
    expect(texts(left)).to.deep.equal(['a reduce 1 0 fetch failed: connect ECONNREFUSED']);
    expect(on.status().waiting[0]!.error).to.equal('fetch failed: connect ECONNREFUSED');
  });
});
