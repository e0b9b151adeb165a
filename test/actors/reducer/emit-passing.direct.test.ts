// A reducer with a pipe behind it: what the pipe has not taken holds it up. Punctuation, lost leases and questions go on to the pipe.
import { expect } from 'chai';
import type { Whereabouts } from '../../../actors/protocol/disposition.js';
import { itemOf, type Effects } from '../../support/direct-reducer.js';
import { emitting, settledBy } from '../../support/direct-emitting.js';
import { creditIn, punctuated } from '../../support/direct-process.js';
import { address, answers, counted, sent, started } from '../../support/direct.js';

/** Emits `n` values for each item. */
const many = (n: number, more: object = {}, options: object = {}) =>
  emitting(
    {
      reduce: (state, { value }, { emit }) => {
        for (let at = 0; at < n; at += 1) emit(value);
        return [...state, value];
      },
      ...more,
    },
    { batchSize: 10, ...options },
  );

describe('a reducer whose pipe does not take what it has emitted', () => {
  it('begins no further call until the pipe has taken it', async () => {
    const it = many(400);
    const full = await it.run(it.items([0, 1, 2, 3, 4]));
    expect(it.valuesIn(full)).to.have.length(1_200);
    expect(creditIn(full, it.stage)).to.equal(3);
    expect(started(it.takes(200))).to.deep.equal([]);
    const next = await it.run(it.takes(300));
    expect(it.valuesIn(next)).to.have.length(400);
    expect(it.status().emitted).to.deep.equal({ untaken: 1_100, openRecords: 4 });
  });

  it('begins none either if the bytes are too many', async () => {
    const it = emitting({ reduce: (state, _, { emit }) => (emit(1), state) }, { batchSize: 10 });
    const large = [0, 1, 2].map((n) => itemOf(n, it.tenures[1]!, it.stage, 0, 'k', 5 * 1024 * 1024));
    const full = await it.run(it.deliver(large));
    expect(it.valuesIn(full)).to.have.length(2);
    expect(it.valuesIn(await it.run(it.takes(1, 5 * 1024 * 1024)))).to.have.length(1);
  });

  it('pauses a flush of several states between two of them', async () => {
    const it = emitting(
      {
        stateBy: 'shard',
        reduce: (state, { value }) => [...state, value],
        flush: (state, { emit }) => {
          for (let at = 0; at < 1_000; at += 1) emit(state[0]);
          return [];
        },
      },
      { batchSize: 2 },
    );
    await it.run(it.items([0], 1));
    const first = await it.run(it.items([5], 2));
    expect(new Set(it.valuesIn(first))).to.deep.equal(new Set([0]));
    expect(it.status().doing).to.equal('flush');
    const second = await it.run(it.takes(1_000));
    expect(new Set(it.valuesIn(second))).to.deep.equal(new Set([5]));
    expect(it.status().doing).to.equal('idle');
  });

  it('starts no attempt, no batch and no further part of one meanwhile', async () => {
    const it = emitting(
      {
        process: (items, { emit }) => {
          for (let at = 0; at < 1_000; at += 1) emit(items[0]!.value);
        },
      },
      { batchSize: 1 },
    );
    const effects = await it.run(it.items([0, 1]));
    expect(it.valuesIn(effects)).to.have.length(1_000);
    expect(it.valuesIn(await it.run(it.takes(1)))).to.deep.equal(Array.from({ length: 1_000 }, () => 1));
  });

  it('gives back the credit of what waits while a failed call holds the pipe, and of what comes then', async () => {
    const it = many(1_000);
    await it.run(it.items([0, 1, 2]));
    expect(creditIn(it.waits(), it.stage)).to.equal(2);
    expect(creditIn(it.items([3]), it.stage)).to.equal(1);
    const taken = it.news({ taken: 4_000, isWaiting: false });
    expect(creditIn(await it.run(taken), it.stage), 'not twice').to.equal(0);
  });

  it('counts no repeated news', async () => {
    const it = many(1);
    const effects = await it.run(it.items([0, 1]));
    it.done(it.messagesIn(effects).slice(0, 1));
    const again = it.tell({ type: 'pipeNews', number: 1, taken: 5, takenBytes: 0, settled: [], isWaiting: false });
    expect(counted(again)).to.deep.equal({ repeatedMessages: 1 });
  });
});

describe('punctuation of a reducer with a pipe', () => {
  for (const kind of ['flush', 'drain'] as const) {
    it(`goes on behind what its flush has emitted, and is answered when the pipe has flushed: a ${kind}`, async () => {
      const it = many(0, { flush: (state: number[], { emit }: any) => (emit(state.length), []) });
      await it.run(it.items([0, 1]));
      const effects = await it.run(it.punctuation(kind));
      expect(it.feedsIn(effects).map(({ type }) => type)).to.deep.equal(['emitted', 'emittedMark']);
      expect(punctuated(effects, it.stage)).to.deep.equal([]);
      const settled = it.done(it.messagesIn(effects));
      expect(settled).to.deep.equal([0, 1]);
      expect(punctuated(it.passed(it.marksIn(effects)[0]!), it.stage)).to.deep.equal([[]]);
    });
  }

  it('names at a drain what the pipe keeps, and not what waits for its acknowledgement', async () => {
    const it = many(1, { acknowledge: 'manual' });
    const effects = await it.run(it.items([0, 1]));
    it.done(it.messagesIn(effects).slice(0, 1));
    const [mark] = it.marksIn(await it.run(it.punctuation('drain')));
    expect(punctuated(it.passed(mark!), it.stage)).to.deep.equal([[1]]);
    const [flush] = it.marksIn(await it.run(it.punctuation('flush', 6)));
    expect(punctuated(it.passed(flush!), it.stage), 'a flush').to.deep.equal([[]]);
  });

  it('is answered behind the dispositions that come with it', async () => {
    const it = many(1);
    const effects = await it.run(it.items([0]));
    const [mark] = it.marksIn(await it.run(it.punctuation('drain')));
    it.done(it.messagesIn(effects));
    expect(punctuated(it.passed(mark!), it.stage)).to.deep.equal([[]]);
  });

  for (const kind of ['flush', 'drain'] as const) {
    it(`passes by what waits while a failed call holds the pipe, and names it: a ${kind}`, async () => {
      const it = many(1_000, { flush: () => [] });
      await it.run(it.items([0, 1, 2]));
      const waits = it.punctuation(kind);
      expect(it.marksIn(waits)).to.deep.equal([]);
      const ahead = it.waits();
      const [mark] = it.marksIn(ahead);
      const [answer] = punctuated(it.passed(mark!), it.stage) as number[][];
      expect(answer).to.have.members([0, 1, 2]);
    });
  }

  it('takes its place again behind what waits if the pipe goes on before it has passed', async () => {
    const it = many(1_000);
    const first = await it.run(it.items([0, 1]));
    it.punctuation('drain');
    const [ahead] = it.marksIn(it.waits());
    const rest = await it.run(it.news({ taken: 1_000 }));
    it.takes(1_000);
    const again = await it.run(it.passed(ahead!));
    expect(punctuated(again, it.stage)).to.deep.equal([]);
    const [mark] = it.marksIn(again);
    it.done([...it.messagesIn(first), ...it.messagesIn(rest)]);
    expect(punctuated(it.passed(mark!), it.stage)).to.deep.equal([[]]);
  });

  it('does not pass by a call that runs', async () => {
    let resolve = (): void => {};
    const it = emitting(
      {
        concurrency: 2,
        process: async (items, { emit }) => {
          if (items[0]!.value === 1) await new Promise<void>((done) => (resolve = done));
          for (let at = 0; at < 1_000; at += 1) emit(at);
        },
      },
      { batchSize: 1 },
    );
    const effects = it.itemsOf([
      ['a', 0],
      ['b', 1],
    ]);
    const [first, second] = effects.flatMap((effect) => (effect.type === 'run' ? [effect.name] : []));
    const hanging = it.finishRun(effects, second!);
    await it.finishRun(effects, first!);
    it.punctuation('drain');
    expect(it.marksIn(it.waits())).to.deep.equal([]);
    resolve();
    expect(it.marksIn(await hanging)).to.have.length(1);
  });
});

describe('a lost lease of a reducer with a pipe', () => {
  it('goes on to the pipe, and the reducer forgets its shares', async () => {
    const it = many(1, { flush: () => [] });
    const messages = it.messagesIn(await it.run(it.items([0])));
    it.tenures[1]!.ended = true;
    const effects = it.revoked(1);
    expect(it.feedsIn(effects)).to.deep.include({ type: 'emittedLost', number: 2, reducer: it.self, shardWorker: 1 });
    expect(it.done(messages)).to.deep.equal([]);
    expect(it.status().emitted).to.deep.equal({ untaken: 1, openRecords: 0 });
    expect(it.settledIn(await it.run(it.tell({ type: 'flushDue' })))).to.deep.equal([]);
  });

  it('is reported by the next heartbeat if a node has ended the tenure', async () => {
    const it = many(1);
    await it.run(it.items([0]));
    it.tenures[1]!.ended = true;
    const [disposed] = sent(it.tell({ type: 'heartbeat' }), it.stage) as any[];
    expect(disposed.dispositions).to.deep.equal([{ shardWorker: 1, ordinals: [], items: [], ended: true }]);
  });
});

describe('questions to a reducer with a pipe', () => {
  const locate = (it: ReturnType<typeof many>, ordinal: number): Effects => {
    const replyTo = address<Whereabouts>(it.self);
    return it.tell({ type: 'locate', shardWorker: 1, ordinal, next: [], queued: false, replyTo });
  };

  it('passes the question on to the pipe where a record is that it has emitted', async () => {
    const it = many(1);
    await it.run(it.items([0]));
    expect(sent(locate(it, 0), it.pipe).map(({ type }) => type)).to.deep.equal(['locate']);
    expect(sent(locate(it, 1), it.pipe)).to.deep.equal([]);
  });

  it('answers itself while it holds the record, too', async () => {
    const it = many(1, { flush: () => [] });
    await it.run(it.items([0]));
    expect(sent(locate(it, 0), it.pipe)).to.deep.equal([]);
  });

  it('says that a punctuation is in the pipe', async () => {
    const it = many(1);
    await it.run(it.punctuation('drain'));
    const replyTo = address<Whereabouts>(it.self);
    const ask = { type: 'locate', stage: it.stage, punctuation: 5, next: [], queued: false, replyTo } as const;
    it.clock.move(70);
    const [found] = answers(it.tell(ask), replyTo);
    expect(found).to.deep.equal({ actor: 'pipe/0#9', state: 'running', forMs: 70 });
  });

  it('asks the pipe how long it has kept the oldest record that it has', async () => {
    const it = many(1, { acknowledge: 'manual' });
    const effects = await it.run(it.items([0, 1]));
    it.done(it.messagesIn(effects).slice(0, 1));
    it.clock.move(500);
    const replyTo = address<number>(it.self);
    const asked = it.tell({ type: 'waitsForAck', shardWorker: 1, heldForMs: Infinity, next: [], replyTo });
    expect(sent(asked, it.pipe)).to.deep.include({
      ...{ type: 'waitsForAck', shardWorker: 1, ordinal: 1, heldForMs: 500, next: [] },
      replyTo,
    });
    it.done(it.messagesIn(effects).slice(1));
    const alone = it.tell({ type: 'waitsForAck', shardWorker: 1, heldForMs: Infinity, next: [], replyTo });
    expect([sent(alone, it.pipe), answers(alone, replyTo)]).to.deep.equal([[], [500]]);
  });

  it('does not count what waits for a failed call of the pipe as stalled', async () => {
    const it = many(1_000);
    await it.run(it.items([0, 1]));
    const replyTo = address<Whereabouts>(it.self);
    const ask = { type: 'locate', shardWorker: 1, ordinal: 1, next: [], queued: false, replyTo } as const;
    expect(answers(it.tell(ask), replyTo)[0]?.state).to.equal('queued');
    it.waits();
    expect(answers(it.tell(ask), replyTo)[0]?.state).to.equal('waiting');
  });
});

describe('news of a pipe that the reducer does not know', () => {
  it('is counted if it settles something twice, and settles it once', async () => {
    const it = many(1);
    const messages = it.messagesIn(await it.run(it.items([0])));
    expect(it.done(messages)).to.deep.equal([0]);
    const again = it.news({ settled: settledBy(messages) });
    expect([it.settledIn(again), counted(again)]).to.deep.equal([[], { staleSettles: 1 }]);
  });

  it('is nothing if it is a mark that is not on its way', async () => {
    const it = many(1);
    await it.run(it.punctuation('drain'));
    expect(punctuated(it.passed(99), it.stage)).to.deep.equal([]);
    expect(punctuated(it.passed(1), it.stage)).to.deep.equal([[]]);
  });
});
