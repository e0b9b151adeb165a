// Where a reducer says that a punctuation or an item is, one message at a time: the watchdog reads from it whether a shard is stalled.
import { expect } from 'chai';
import type { Whereabouts } from '../../../actors/protocol/disposition.js';
import type { StageMessage } from '../../../actors/protocol/pipeline-messages.js';
import type { ReducerOptions } from '../../../actors/reducer/reducer.js';
import { createRateLimit } from '../../../src/core/rate-limit.js';
import { retry } from '../../../src/options/retry-policy.js';
import { emitting } from '../../support/direct-emitting.js';
import { processing } from '../../support/direct-process.js';
import { direct, itemOf, type Effects } from '../../support/direct-reducer.js';
import { address, answers, ofType, ref, sent } from '../../support/direct.js';

type Direct = Pick<ReturnType<typeof direct>, 'tell' | 'self' | 'stage'>;

const hung = new Promise<never>(() => {});
const raw = (behaviour: () => unknown): Partial<ReducerOptions> => ({
  definition: { init: () => 0, behaviour } as never,
});

/** Begins the only call of these effects, and does not end it. */
const begin = (effects: Effects): void => void ofType(effects, 'run')[0]!.start(new AbortController().signal);

const placeOfMark = ({ tell, self, stage }: Direct, punctuation: number, next: readonly unknown[] = []) => {
  const replyTo = address<Whereabouts>(self);
  const effects = tell({ type: 'locate', stage, punctuation, next, queued: false, replyTo } as never);
  return { effects, found: answers(effects, replyTo)[0] };
};

describe('the place of a punctuation in a reducer', () => {
  it('is the call of a raw behaviour with it', () => {
    const it1 = direct(
      {},
      raw(() => hung),
    );
    it1.punctuation('flush');
    it1.clock.move(30);
    expect(placeOfMark(it1, 5).found).to.include({ state: 'running', forMs: 30 });
    expect(placeOfMark(it1, 6).found).to.include({ state: 'unknown' });
  });

  it('is the call of process that it waits for, since that has begun', () => {
    const it1 = processing(() => hung, { batchSize: 1 });
    it1.items([0]);
    it1.clock.move(20);
    it1.punctuation('flush');
    it1.clock.move(10);
    expect(placeOfMark(it1, 5).found).to.include({ state: 'running', forMs: 30 });
  });

  it('is the call of reduce before it, and no time has passed while that has not begun', () => {
    const it1 = direct({ reduce: () => hung as never });
    const effects = it1.items([0]);
    it1.punctuation('flush');
    it1.clock.move(40);
    expect(placeOfMark(it1, 5).found).to.include({ state: 'running', forMs: 0 });
    begin(effects);
    it1.clock.move(40);
    expect(placeOfMark(it1, 5).found).to.include({ state: 'running', forMs: 40 });
  });

  it('is the queue while items before it wait for the rate limit', async () => {
    const it1 = direct({}, { limit: createRateLimit(1, 1_000) });
    await it1.end(it1.items([0, 1]));
    it1.punctuation('flush');
    it1.clock.move(15);
    expect(placeOfMark(it1, 5).found).to.include({ state: 'limited', forMs: 15 });
  });

  it('is asked of the next reducer if it is not here', () => {
    const it1 = direct();
    const next = ref<StageMessage>('reducer/1#8');
    const { effects, found } = placeOfMark(it1, 5, [next]);
    expect(found).to.equal(undefined);
    expect(sent(effects, next)).to.have.length(1);
  });

  it('is the pipe behind, which waits while a failed call holds it; a mark that is not there is unknown', async () => {
    const it1 = emitting({});
    await it1.run(it1.punctuation('drain', 4));
    await it1.run(it1.punctuation('drain', 5));
    it1.waits();
    it1.clock.move(25);
    expect(placeOfMark(it1, 5).found).to.include({ actor: 'pipe/0#9', state: 'waiting', forMs: 25 });
    expect(placeOfMark(it1, 6).found).to.include({ actor: 'reducer/0#1', state: 'unknown' });
  });
});

describe('what a reducer says of items that it has taken out of its queue', () => {
  it('counts those that a failed call had held as waiting for a call, whatever runs', async () => {
    const bad = { first: true };
    const it1 = direct(
      { reduce: (state, { value }) => (value > 0 ? (hung as never) : bad.first ? expect.fail('no') : state) },
      { onFailure: retry({ minMs: 100, maxMs: 100 }) },
    );
    const of = (shardWorker: number, ordinal: number) => itemOf(ordinal, it1.tenures[shardWorker]!, it1.stage);
    await it1.end(it1.deliver([of(1, 0)]));
    await it1.drain(it1.deliver([of(1, 1), of(1, 2), of(2, 3)]));
    bad.first = false;
    it1.clock.move(100);
    // Three items are let go, and the next call takes two of them.
    begin(await it1.end(it1.tell({ type: 'attemptDue' })));
    const heldForMs = (shardWorker: number): unknown => {
      const replyTo = address<number>(it1.self);
      return answers(it1.tell({ type: 'waitsForAck', shardWorker, heldForMs: 500, next: [], replyTo }), replyTo)[0];
    };
    expect([0, 1, 2].map(heldForMs)).to.deep.equal([500, 0, 0]);
  });

  it('names the flush of a `collectsOnly` reducer that is called in parts', async () => {
    const flush = (state: readonly number[]): readonly number[] =>
      state.length > 1 ? expect.fail('no') : (hung as never);
    const it1 = direct({ collectsOnly: true, flush }, { onFailure: 'skip' });
    const folded = await it1.end(it1.items([0, 1]));
    begin(await it1.end(folded));
    expect(it1.status()).to.deep.include({ doing: 'flush' });
  });
});
