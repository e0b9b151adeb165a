// What a reducer's `receive` returns, one message at a time and without a runtime. The other files reducer*.test.ts test reducers
// among other actors.
import { expect } from 'chai';
import type { Ref } from '../../../actors/protocol/actor.js';
import type { Disposed, ShardWorkerDispositions, Whereabouts } from '../../../actors/protocol/disposition.js';
import type { ReducerRequest, StageMessage } from '../../../actors/protocol/pipeline-messages.js';
import type { ReducerActorMessage } from '../../../actors/reducer/reducer.js';
import type { Item, ReducerContext } from '../../../src/api/reducer.js';
import { direct, itemOf, type Effects, type State } from '../../support/direct-reducer.js';
import { address, answers, counted, emitted, finish, ofType, ref, sent, started } from '../../support/direct.js';

/** The credit and the dispositions that go back to a stage. */
function returned(effects: Effects, stage: Ref<StageMessage>): Pick<Disposed, 'credit' | 'dispositions'>[] {
  const disposed = sent(effects, stage).filter((message) => message.type === 'disposed');
  return disposed.map(({ credit, dispositions }) => ({ credit, dispositions }));
}

function settled(shardWorker: number, ...ordinals: number[]): ShardWorkerDispositions {
  return { shardWorker, ordinals, items: ordinals.map(() => 0) };
}

function ended(shardWorker: number, ...ordinals: number[]): ShardWorkerDispositions {
  return { ...settled(shardWorker, ...ordinals), ended: true };
}

describe('a reducer, message by message', () => {
  it('joins every stage with its credit', () => {
    const { first, stages, self } = direct();
    for (const stage of stages)
      expect(sent(first, stage)).to.deep.equal([{ type: 'join', reducer: 0, ref: self, credit: 7 }]);
  });

  it('runs one call at a time, and queues what arrives during a call', async () => {
    const { items, punctuation, status, end } = direct();
    const call = items([0, 1]);
    expect(started(call)).to.deep.equal(['reduce']);
    expect(started(items([2]))).to.deep.equal([]);
    expect(punctuation('flush')).to.deep.equal([]);
    expect(status()).to.include({ doing: 'reduce', queued: 2 });
    expect(started(await end(call))).to.deep.equal(['reduce']);
  });

  it('returns credit and settled items to the stage that sent each item', async () => {
    const { items, stages, end } = direct({}, { batchSize: 10 });
    const call = items([0, 3]);
    items([9], 2);
    items([4, 5], 1, stages[1]);
    const effects = await end(call);
    expect(returned(effects, stages[0])).to.deep.equal([{ credit: 2, dispositions: [settled(1, 0, 3)] }]);
    const rest = await end(effects);
    expect(returned(rest, stages[0])).to.deep.equal([{ credit: 1, dispositions: [settled(2, 9)] }]);
    expect(returned(rest, stages[1])).to.deep.equal([{ credit: 2, dispositions: [settled(1, 4, 5)] }]);
  });

  it('gives way after 25 ms of folding, and continues where it stopped', async () => {
    const seen: number[] = [];
    const { items, clock, stage, end } = direct({
      reduce: (state, { value }) => (seen.push(value), clock.move(25), state),
    });
    const first = await end(items([0, 1]));
    expect(seen).to.deep.equal([0]);
    expect(returned(first, stage)).to.deep.equal([{ credit: 1, dispositions: [settled(1, 0)] }]);
    expect(returned(await end(first), stage)).to.deep.equal([{ credit: 1, dispositions: [settled(1, 1)] }]);
    expect(seen).to.deep.equal([0, 1]);
  });

  it('acknowledges by a flush exactly the items folded before it', async () => {
    const flushed: State[] = [];
    const { items, stage, status, end } = direct({ flush: (state) => (flushed.push(state), []) });
    const folded = await end(items([0, 1, 2]));
    expect(returned(folded, stage)).to.deep.equal([{ credit: 2, dispositions: [] }]);
    expect(started(folded)).to.deep.equal(['flush']);
    expect(started(items([3])), 'while it flushes').to.deep.equal([]);
    expect(status()).to.include({ doing: 'flush', queued: 2 });
    const done = await end(folded);
    expect(returned(done, stage)).to.deep.equal([{ credit: 0, dispositions: [settled(1, 0, 1)] }]);
    expect(started(done)).to.deep.equal(['reduce']);
    expect(returned(await end(await end(done)), stage)[0]?.dispositions).to.deep.equal([settled(1, 2, 3)]);
    expect(flushed.map(String)).to.deep.equal(['0,1', '2,3']);
  });

  it('flushes when the timer set by the first folded item is due', async () => {
    const { items, tell, stage, end } = direct({ flush: () => {} });
    const folded = await end(items([0]));
    const [timer] = ofType(folded, 'after');
    expect(timer).to.include({ key: 'flush', ms: 1_000 });
    expect(started(folded)).to.deep.equal([]);
    expect(returned(await end(tell(timer!.message)), stage)[0]?.dispositions).to.deep.equal([settled(1, 0)]);
  });

  it('drops the items of a tenure whose deadline has passed, and reports for good that the tenure has ended', async () => {
    const seen: number[] = [];
    const { items, clock, tenures, stage, end } = direct({
      reduce: (state, { value }) => (seen.push(value), state),
    });
    const dropped = [{ credit: 1, dispositions: [ended(1)] }];
    tenures[1]!.deadline = clock.now() + 10;
    const call = items([0]);
    clock.move(10);
    expect(returned(await end(call), stage)).to.deep.equal(dropped);
    tenures[1]!.deadline = Infinity;
    expect(returned(await end(items([1])), stage), 'a renewal came after all').to.deep.equal(dropped);
    expect(seen).to.deep.equal([]);
  });

  it('does not settle an item whose tenure died during the call, and counts it', async () => {
    const { items, tenures, stage, end } = direct({
      reduce: (state) => ((tenures[1]!.ended = true), state),
    });
    const effects = await end(items([0]));
    expect(returned(effects, stage)).to.deep.equal([{ credit: 1, dispositions: [ended(1)] }]);
    expect(counted(effects)).to.deep.equal({ foldedAfterLoss: 1 });
  });

  it('clears the queue and the state of the revoked worker only', async () => {
    const flushed: State[] = [];
    const { items, revoked, punctuation, stage, status, end } = direct(
      { stateBy: 'shard', flush: (state) => void flushed.push(state) },
      { batchSize: 10 },
    );
    await end(items([0], 1));
    const call = items([10], 2);
    items([1, 2], 1);
    items([11], 2);
    const lost = revoked(1);
    expect(returned(lost, stage), 'what it had queued').to.deep.equal([{ credit: 2, dispositions: [] }]);
    await end(await end(call));
    expect(status()).to.include({ unflushed: 2, queued: 0 });
    const done = await end(punctuation('flush'));
    expect(returned(done, stage)[0]?.dispositions).to.deep.equal([settled(2, 10, 11)]);
    expect(flushed).to.deep.equal([[10, 11]]);
  });

  for (const kind of ['flush', 'drain'] as const) {
    it(`flushes, settles, and then answers a ${kind} punctuation`, async () => {
      const { items, punctuation, stage, end } = direct({ flush: () => {} });
      await end(items([0]));
      const asked = punctuation(kind);
      expect(started(asked)).to.deep.equal(['flush']);
      expect(sent(asked, stage)).to.deep.equal([]);
      expect(sent(await end(asked), stage)).to.deep.equal([
        { type: 'disposed', reducer: 0, number: 2, credit: 0, dispositions: [settled(1, 0)] },
        { type: 'punctuated', reducer: 0, number: 3, id: 5, waiting: [] },
      ]);
    });
  }

  it('answers a punctuation after the items before it, or at once if nothing is folded', async () => {
    const { items, punctuation, stage, end } = direct({ flush: () => {} });
    const answer = { type: 'punctuated', reducer: 0, number: 1, id: 1, waiting: [] };
    expect(sent(punctuation('flush', 1), stage)).to.deep.equal([answer]);
    const call = items([0]);
    expect(punctuation('flush', 2)).to.deep.equal([]);
    const folded = await end(call);
    expect(sent(folded, stage).map(({ type }) => type)).to.deep.equal(['disposed']);
    expect(sent(await end(folded), stage).map(({ type }) => type)).to.deep.equal(['disposed', 'punctuated']);
  });

  it('settles with manual acknowledgement only the items that the application acknowledges, each once', async () => {
    const handed: { item: Item<number>; context: ReducerContext }[] = [];
    const { items, tell, told, stage, status, end } = direct({
      acknowledge: 'manual',
      reduce: (state, item, context) => (handed.push({ item, context }), state),
    });
    const called: ReducerActorMessage = { type: 'contextCalled' };
    expect(returned(await end(items([0, 1])), stage)).to.deep.equal([{ credit: 2, dispositions: [] }]);
    expect(status().unacknowledged).to.equal(2);
    const { context, item } = handed[1]!;
    context.ack(item.token);
    context.ack(item.token);
    expect(told, 'one message for many calls').to.deep.equal([called]);
    const effects = tell(called);
    expect(returned(effects, stage)).to.deep.equal([{ credit: 0, dispositions: [settled(1, 1)] }]);
    expect(counted(effects)).to.deep.equal({ strayAcknowledgements: 1 });
    context.fail(handed[0]!.item.token, new Error('no'));
    expect(ofType(tell(called), 'fail')).to.have.length(1);
  });

  it('crashes, skips the item, or ends its tenure when an item fails, as the policy says', async () => {
    for (const onFailure of ['crash', 'skip', 'stopShard'] as const) {
      const { items, tenures, stage, end } = direct(
        { reduce: (state, { value }) => (value === 1 ? Promise.reject(new Error('bad')) : state) },
        { onFailure, batchSize: 3 },
      );
      const effects = await end(items([0, 1, 2]));
      const disposition = { crash: settled(1, 0), skip: settled(1, 0, 1), stopShard: ended(1, 0) }[onFailure];
      expect(returned(effects, stage), onFailure).to.deep.equal([{ credit: 2, dispositions: [disposition] }]);
      const [failure] = ofType(effects, 'fail');
      if (onFailure === 'crash') expect(failure?.error).to.include({ code: 'PROCESSING_FAILED' });
      else expect(failure).to.equal(undefined);
      expect(started(effects), onFailure).to.deep.equal(onFailure === 'crash' ? [] : ['reduce']);
      expect(emitted(effects)).to.deep.equal(onFailure === 'skip' ? ['recordSkipped'] : []);
      expect(tenures[1]!.stopError !== undefined).to.equal(onFailure === 'stopShard');
      if (onFailure === 'crash') continue;
      const last = onFailure === 'skip' ? settled(1, 2) : ended(1);
      expect(returned(await end(effects), stage), 'the rest').to.deep.equal([{ credit: 1, dispositions: [last] }]);
    }
  });

  it('skips the items of a failed flush, and starts again from init', async () => {
    const flushed: State[] = [];
    const flush = (state: State): unknown => (flushed.push(state) > 1 ? [] : Promise.reject(new Error('bad')));
    const { items, stage, end } = direct({ flush }, { onFailure: 'skip' });
    const effects = await end(await end(items([0, 1])));
    expect(returned(effects, stage)).to.deep.equal([{ credit: 0, dispositions: [settled(1, 0, 1)] }]);
    expect(counted(effects)).to.deep.equal({ skippedItems: 2 });
    await end(await end(items([2, 3])));
    expect(flushed[1]).to.deep.equal([2, 3]);
  });

  it('drops and counts a repeated numbered message', async () => {
    const { items, punctuation, tell, stage, tenures, status, end } = direct({}, { batchSize: 10 });
    await end(items([0]));
    punctuation('flush');
    const before = status();
    const again: ReducerRequest[] = [
      { type: 'items', stage, number: 1, items: [itemOf(0, tenures[1]!, stage)] },
      { type: 'punctuation', stage, number: 2, id: 5, shardWorker: 1, kind: 'flush' },
    ];
    for (const message of again)
      expect(tell(message)).to.deep.equal([{ type: 'count', what: 'repeatedMessages', by: 1 }]);
    expect(status()).to.deep.equal(before);
  });

  it('locates a record that it has, and passes other questions to the next reducer', async () => {
    const { items, tell, self, clock, end } = direct({ flush: () => {} }, { batchSize: 10 });
    const next = ref<ReducerRequest>('reducer/1#9');
    const locate = (ordinal: number, ...others: Ref<ReducerRequest>[]) => {
      const replyTo = address<Whereabouts>(self);
      const effects = tell({ type: 'locate', shardWorker: 1, ordinal, replyTo, next: others, queued: false });
      return { answer: answers(effects, replyTo)[0], passed: sent(effects, next) };
    };
    await end(items([0]));
    clock.move(40);
    items([1]);
    expect(locate(0).answer).to.deep.equal({ actor: self.path, state: 'folded', forMs: 40, key: 'k' });
    expect(locate(1).answer).to.include({ state: 'queued' });
    expect(locate(7).answer).to.include({ state: 'unknown' });
    expect(locate(7, next)).to.deep.include({ answer: undefined });
    expect(locate(7, next).passed[0]).to.deep.include({ type: 'locate', ordinal: 7, next: [] });
  });

  it('does not call reduce once it is stopped', async () => {
    const seen: number[] = [];
    const { items, stop } = direct({ reduce: (state, { value }) => (seen.push(value), state) });
    const call = items([0]);
    stop();
    await finish(call);
    expect(seen).to.deep.equal([]);
  });
});

describe('a reducer that fails', () => {
  it('begins no other flush of a run that has given way', async () => {
    const { items, clock, end } = direct(
      {
        stateBy: 'shard',
        flush: () => {
          clock.move(25);
          throw new Error('down');
        },
      },
      { batchSize: 2 },
    );
    await end(items([0], 1));
    const effects = await end(await end(items([1], 2)));
    expect([ofType(effects, 'fail').length, started(effects)]).to.deep.equal([1, []]);
  });

  it('fails with the error if a call of its own breaks, whichever it is', async () => {
    const broken = (effects: Effects, tell: (message: ReducerActorMessage) => Effects): string[] => {
      const [run] = ofType(effects, 'run');
      return ofType(tell(run!.failed(new Error(`broken ${run!.name}`))), 'fail').map(({ error }) => error.message);
    };
    const folding = direct({ flush: () => [] });
    expect(broken(folding.items([0]), folding.tell)).to.deep.equal(['broken reduce']);
    const flushing = direct({ flush: () => [] });
    expect(broken(await flushing.end(flushing.items([0, 1])), flushing.tell)).to.deep.equal(['broken flush']);
    const calling = direct({ process: () => {} });
    expect(broken(calling.items([0, 1]), calling.tell)).to.deep.equal(['broken process']);
    const behaving = direct({}, { definition: { init: () => 0, behaviour: () => 0 } as never });
    expect(broken(behaving.items([0]), behaving.tell)).to.deep.equal(['broken items']);
  });
});
