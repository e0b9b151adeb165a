// A node, one message at a time and without a runtime: messages that stand for nothing, its end, its timers, and failures it is told of.
import { expect } from 'chai';
import type { Effect } from '../../../actors/protocol/actor.js';
import { createLeftItems } from '../../../actors/protocol/left-items.js';
import { addHead, SentMessage } from '../../../actors/protocol/pipe-message.js';
import type { NodeReport, NodeRequest } from '../../../actors/protocol/pipe-messages.js';
import type { StageMessage } from '../../../actors/protocol/pipeline-messages.js';
import { pipeNode, type NodeMessage, type PipeNodeOptions } from '../../../actors/pipe-node/pipe-node.js';
import { isKinactError } from '../../../src/api/errors.js';
import type { ParkedItem } from '../../../src/api/parking.js';
import type { AnyNode, PipeMessage } from '../../../src/api/pipe.js';
import { NodeFailure } from '../../../src/api/pipe-failure.js';
import { park } from '../../../src/options/park-policy.js';
import { createHolding } from '../../../src/pipes/holding.js';
import { itemOf } from '../../support/direct-reducer.js';
import {
  address,
  answers,
  counted,
  emitted,
  finish,
  handClock,
  ofType,
  ref,
  sent,
  started,
  stepped,
  tenureOf,
} from '../../support/direct.js';

type Effects = readonly Effect<NodeMessage>[];

const hung = new Promise<never>(() => {});
const stage = ref<StageMessage>('stage/0#1');
const keeping: AnyNode = {
  init: () => [],
  handleMessage: (kept, message) => ({ state: [...(kept as PipeMessage[]), message], keep: [message] }),
};

/** A node that has not started. */
function unstarted(definition: AnyNode, more: Partial<PipeNodeOptions> = {}) {
  const clock = handClock();
  const pipeRef = ref<NodeReport>('pipe');
  const behaviour = pipeNode({
    ...{ pipe: 0, index: 0, name: 'map/0', definition, pipeRef, next: undefined, nodeNames: ['map'] },
    ...{ application: 'orders-app', onFailure: 'crash', timeoutMs: 100, answerDeadlineMs: 50, clock },
    random: { next: () => 0 },
    ...more,
  });
  const it = stepped(behaviour, ref<NodeMessage>('pipe-node/0#2'));
  const tenures = [tenureOf(0), tenureOf(1), tenureOf(2)];
  const run = async (effects: Effects): Promise<Effects> => {
    const all = [...effects];
    for (let last = effects; ofType(last, 'run').length > 0;) all.push(...(last = it.tell(await finish(last))));
    return all;
  };
  return {
    ...it,
    ...{ clock, pipeRef, tenures, run },
    feed: (...entries: readonly SentMessage[]): Effects =>
      it.tell({ type: 'feed', entries, replyTo: address<void>(pipeRef) }),
    of: (shardWorker: number, ordinal: number, route?: string): SentMessage =>
      new SentMessage(
        ordinal,
        itemOf(ordinal, tenures[shardWorker]!, stage),
        route === undefined ? undefined : addHead(undefined, route),
        1,
      ),
  };
}

async function node(definition: AnyNode, more: Partial<PipeNodeOptions> = {}) {
  const it = unstarted(definition, more);
  await it.run(it.first);
  return it;
}

const ofNothing = (value: unknown = 'nothing'): SentMessage => new SentMessage(value, undefined, undefined, 1);
const begin = (effects: Effects): void => void ofType(effects, 'run')[0]!.start(new AbortController().signal);

describe('a message of a node that stands for nothing', () => {
  it('is named in no report of a stop', async () => {
    const leftItems = createLeftItems();
    const it = await node({ handleMessage: () => hung }, { leftItems });
    begin(it.feed(ofNothing()));
    leftItems.isStopping = true;
    it.stop();
    expect(leftItems.noted.size).to.equal(0);
  });

  it('is not what a state has kept longest', async () => {
    const it = await node(keeping);
    await it.run(it.feed(ofNothing()));
    expect(it.status()).to.not.have.property('oldest');
    await it.run(it.feed(it.of(1, 5)));
    expect(it.status().oldest).to.include({ shardId: 'shardId-1', sequenceNumber: '5' });
  });

  it('belongs to no lost lease: neither a state nor the queue loses it', async () => {
    const lost: unknown[] = [];
    const state = await node({
      ...keeping,
      handleLost: (kept, { messages }) => (lost.push(...messages.map(({ value }) => value)), kept),
    });
    await state.run(state.feed(ofNothing(), state.of(1, 5), state.of(2, 6)));
    state.tenures[1]!.ended = true;
    state.tell({ type: 'revoked', shardWorker: 1 });
    expect(lost).to.deep.equal([5]);

    const queue = await node(
      { handleMessage: (_, message) => ({ outputs: [{ value: message.value, of: [message] }] }) },
      { next: ref<NodeRequest>('pipe-node/1#3') },
    );
    await queue.run(queue.feed(queue.of(1, 1)));
    await queue.run(queue.feed(ofNothing(), queue.of(1, 2)));
    expect(queue.status()).to.include({ queued: 2 });
    queue.tenures[1]!.ended = true;
    expect(counted(queue.tell({ type: 'revoked', shardWorker: 1 }))).to.deep.equal({ droppedMessages: 1 });
    expect(queue.status()).to.include({ queued: 1 });
  });
});

describe('the calls of a node', () => {
  it('end with the run that is under way, and with no other', async () => {
    const it = await node({ handleMessage: () => hung });
    begin(it.feed(it.of(1, 0)));
    expect(started(it.tell({ type: 'ran', run: 1 })), 'of its start').to.deep.equal([]);
    expect(it.status()).to.include({ state: 'working' });
  });

  it('fail the node if a run breaks', async () => {
    const it = await node({ handleMessage: () => ({}) });
    const [run] = ofType(it.feed(it.of(1, 0)), 'run');
    const error = new Error('broken');
    expect(ofType(it.tell(run!.failed(error)), 'fail').map((each) => each.error)).to.deep.equal([error]);
  });

  it('fail it without a record in the error if one about nothing does not end', () => {
    const it = unstarted({ init: () => hung, handleMessage: () => ({}) });
    begin(it.first);
    it.clock.move(100);
    expect(ofType(it.tell({ type: 'callDue' }), 'fail')).to.deep.equal([]);
    it.clock.move(50);
    const [failed] = ofType(it.tell({ type: 'callDue' }), 'fail').map(({ error }) => error);
    expect(failed?.message).to.equal('init of map/0 has not ended within 50 ms after its signal was aborted');
    expect(isKinactError(failed) && failed.data).to.deep.equal({});
  });

  it('are none for a timer that the node has no callback for', async () => {
    const it = await node({ handleMessage: (_, message) => ({ drop: [message], timerMs: 20 }) });
    const effects = await it.run(it.feed(it.of(1, 0)));
    expect(ofType(effects, 'after').flatMap(({ key, ms }) => (key === 'routeStates' ? [ms] : []))).to.deep.equal([20]);
    it.clock.move(20);
    const due = it.tell({ type: 'routesDue' });
    expect([started(due), ofType(due, 'after')]).to.deep.equal([[], []]);
  });

  it('end no route that still keeps something: there are more than may be then', async () => {
    const it = await node({ ...keeping, maxRoutes: 1 });
    await it.run(it.feed(it.of(1, 0, 'r'), it.of(1, 1, 's')));
    expect(it.status()).to.include({ routes: 2 });
    expect(it.status().oldest).to.include({ sequenceNumber: '0' });
  });
});

describe('a failure that a node is told of', () => {
  const failing = (what: (message: PipeMessage) => ConstructorParameters<typeof NodeFailure>[1]): AnyNode => ({
    handleMessage: (_, message) => {
      throw new NodeFailure(new Error('no'), what(message as PipeMessage));
    },
  });

  for (const [values, got] of [
    [[], '0'],
    ['text' as never, "'text'"],
  ] as const)
    it(`is refused if its values are ${got}`, async () => {
      const asked: unknown[] = [];
      const it = await node(
        failing((message) => ({ of: [message], state: 0, values })),
        { onFailure: (error) => (asked.push((error as Error).message), 'skip') },
      );
      await it.run(it.feed(it.of(1, 0)));
      expect(asked).to.deep.equal([
        `The values of a NodeFailure must be an array with one value for each message in \`of\`: expected 1, got ${got}.`,
      ]);
    });

  it('crashes if its values cannot become bytes', async () => {
    const it = await node(
      failing((message) => ({ of: [message], state: 0, values: [1] })),
      { onFailure: park(() => Promise.resolve()) },
    );
    const effects = await it.run(it.feed(it.of(1, 0)));
    const [end] = sent(effects, it.pipeRef).filter(({ type }) => type === 'nodeEnds') as any[];
    expect(end?.error.message).to.include('map/0: it cannot be parked, because nothing says how its value becomes');
  });

  it('parks its messages, and not a holding that holds nothing', async () => {
    const parked: ParkedItem[] = [];
    const holding = createHolding();
    const it = await node(
      failing((message) => ({ of: [holding, message], state: 0 })),
      { onFailure: park((item) => (parked.push(item), Promise.resolve())) },
    );
    const effects = await it.run(it.feed(it.of(1, 7)));
    expect(parked.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(['7']);
    expect(emitted(effects)).to.include('itemParked');
    expect(it.status()).to.include({ state: 'ready' });
  });

  it('skips what its live leases have, and reports nothing of an ended one', async () => {
    const it = await node(
      {
        ...keeping,
        handleFlush: () => {
          it.tenures[1]!.ended = true;
          throw new Error('down');
        },
      },
      { onFailure: 'skip' },
    );
    await it.run(it.feed(it.of(1, 0), it.of(2, 1)));
    const effects = await it.run(
      it.tell({ type: 'feed', entries: [{ type: 'flushMark', number: 1 }], replyTo: address<void>(it.pipeRef) }),
    );
    expect(counted(effects)).to.include({ skippedItems: 1 });
    const skipped = ofType(effects, 'emit').flatMap(({ event }) =>
      event.name === 'recordSkipped' ? [event.data] : [],
    );
    expect(skipped.map(({ sequenceNumber }) => sequenceNumber)).to.deep.equal(['1']);
  });

  it('is nothing if a policy answers about another one', async () => {
    const it = await node({ handleMessage: () => ({}) });
    expect(it.tell({ type: 'decided', number: 9, verdict: undefined as never })).to.deep.equal([]);
  });
});

describe('the end of a node', () => {
  it('comes though terminate has failed, with a warning', async () => {
    const it = await node({ handleMessage: () => ({}), terminate: () => expect.fail('not closed') });
    const replyTo = address<void>(it.pipeRef);
    const effects = await it.run(it.tell({ type: 'upstreamFailed', replyTo }));
    const [event] = ofType(effects, 'emit').map((each) => each.event);
    expect(event?.data).to.include({ message: 'map/0: terminate has failed' });
    expect([answers(effects, replyTo).length, ofType(effects, 'end').length]).to.deep.equal([1, 1]);
  });

  it('is reported once, though more than one of its states cannot lose a lease', async () => {
    const lost: unknown[] = [];
    const it = await node({ ...keeping, handleLost: (_, { messages }) => (lost.push(...messages), expect.fail('no')) });
    await it.run(it.feed(it.of(1, 0, 'r'), it.of(1, 1, 's')));
    it.tenures[1]!.ended = true;
    const effects = it.tell({ type: 'revoked', shardWorker: 1 });
    expect(lost).to.have.length(2);
    expect(sent(effects, it.pipeRef).filter(({ type }) => type === 'nodeEnds')).to.have.length(1);
  });

  it('is no news to the pipe if a call asks for it that has begun before the pipe did', async () => {
    let resolve = (): void => {};
    const it = await node({
      handleMessage: (_, message) =>
        new Promise<object>((done) => (resolve = () => done({ drop: [message], exit: true }))),
    });
    const call = finish(it.feed(it.of(1, 0)));
    const replyTo = address<void>(it.pipeRef);
    it.tell({ type: 'upstreamFailed', replyTo });
    resolve();
    const effects = await it.run(it.tell(await call));
    expect(sent(effects, it.pipeRef).map(({ type }) => type)).to.deep.equal(['settled']);
    expect([answers(effects, replyTo).length, ofType(effects, 'end').length]).to.deep.equal([1, 1]);
  });

  it('is answered to all who have asked, once the call that runs has ended', async () => {
    let resolve = (): void => {};
    const reasons: unknown[] = [];
    const it = await node({
      handleMessage: () => new Promise<object>((done) => (resolve = () => done({}))),
      terminate: (_, { signal }) => void reasons.push(signal.reason),
    });
    const call = finish(it.feed(it.of(1, 0)));
    const askers = [address<void>(it.pipeRef), address<void>(it.pipeRef)] as const;
    const errors = askers.map((_, place) => new Error(`below ${place}`));
    for (const [place, replyTo] of askers.entries())
      expect(it.tell({ type: 'downstreamFailed', error: errors[place]!, replyTo })).to.deep.equal([]);
    resolve();
    const effects = await it.run(it.tell(await call));
    expect(askers.map((replyTo) => answers(effects, replyTo).length)).to.deep.equal([1, 1]);
    expect(ofType(effects, 'end')).to.have.length(1);
    expect(reasons, 'the first').to.deep.equal([errors[0]]);
  });
});
