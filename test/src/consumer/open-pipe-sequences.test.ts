// kflow_gen's and kflow_pipe's behaviours (G1 to G11, Q1 to Q3 of docs/seeds.md) as an application meets them: in a pipe without a
// consumer, which it feeds. Each log reads like the sequence. Time is virtual.
import { expect } from 'chai';
import { openPipe } from '../../../src/consumer/open-pipe.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { retry } from '../../../src/options/retry-policy.js';
import { gate } from '../../support/gate.js';
import { endingText, openedPipe } from '../../support/opened-pipe.js';

describe('a pipe without a consumer, as kflow_gen', () => {
  it('G1: takes nothing before every init has returned, the last node first', async () => {
    const { open, opened: connected } = gate();
    const log: string[] = [];
    const node = (name: string, init: () => unknown) =>
      defineNode<unknown, number, number>({
        init: async () => {
          log.push(`${name}: init`);
          await init();
          log.push(`${name}: ready`);
        },
        handleMessage: (_, message) => {
          log.push(`${name}: ${message.value}`);
          return { outputs: [{ value: message.value, of: [message] }] };
        },
      });
    const nodes = pipe<number>()
      .node(node('first', () => undefined))
      .to(node('last', () => connected));
    const starting = openedPipe(nodes, {}, log);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).to.deep.equal(['last: init']);
    open();
    const { feed } = await starting;
    await feed(1);
    const started = ['last: init', 'last: ready', 'first: init', 'first: ready'];
    expect(log).to.deep.equal([...started, 'first: 1', 'last: 1', 'fed 1 as 0']);
  });

  it('G1: a failing init fails the start with its reason, and ends the states that were made', async () => {
    const log: string[] = [];
    const reason = new Error('no connection');
    const last = defineNode<string, number, number>({
      init: () => 'a state',
      handleMessage: () => ({}),
      terminate: (state) => log.push(`terminate ${state}`),
    });
    const first = defineNode<unknown, number, number>({
      init: () => Promise.reject(reason),
      handleMessage: () => ({}),
    });
    const failure = await openPipe(pipe<number>().node(first).to(last), { logger: false }).catch(
      (error: unknown) => error,
    );
    expect(failure).to.equal(reason);
    expect(log).to.deep.equal(['terminate a state']);
  });

  it('G2: callbacks of a node never overlap, and what comes meanwhile keeps its order', async () => {
    const { open, opened: slow } = gate();
    const log: string[] = [];
    const node = defineNode<unknown, number, number>({
      handleMessage: async (_, message) => {
        log.push(`begin ${message.value}`);
        if (message.value === 1) await slow;
        log.push(`end ${message.value}`);
        return { drop: [message] };
      },
      handleFlush: () => {
        log.push('flush');
        return {};
      },
    });
    const it1 = await openedPipe(pipe<number>().to(node), {}, log);
    void it1.feed(1);
    void it1.feed(2);
    void it1.flush();
    await it1.feed(3);
    expect(log).to.deep.equal(['begin 1']);
    open();
    await it1.rest();
    expect(log.filter((line) => !line.startsWith('f') || line === 'flush')).to.deep.equal([
      ...['begin 1', 'end 1', 'begin 2', 'end 2', 'flush', 'begin 3', 'end 3'],
    ]);
    expect(log.filter((line) => line.startsWith('f'))).to.deep.equal([
      ...['fed 1 as 0', 'fed 2 as 1', 'flush', 'flushed', 'fed 3 as 2'],
    ]);
  });

  it('G3: a feed says that the first node has processed the message, and not that it is done', async () => {
    const { open, opened: stuck } = gate();
    const it1 = await openedPipe(
      pipe<number>()
        .map((n) => n)
        .to(() => stuck),
    );
    await it1.feed(1);
    expect(it1.log).to.deep.equal(['fed 1 as 0']);
    expect(it1.opened.settled).to.equal(-1);
    open();
    await it1.rest();
    expect(it1.opened.settled).to.equal(0);
  });

  it('G4: with a stuck second node and one place, it takes two messages, and then feeds time out', async () => {
    const { open, opened: stuck } = gate();
    const seen: number[] = [];
    const nodes = pipe<number>()
      .map((n) => n, { maxQueueLen: 1 })
      .to(async (n) => {
        await stuck;
        seen.push(n);
      });
    const { opened, log, feed, advance, rest } = await openedPipe(nodes);
    const unknown: unknown[] = [];
    for (const n of [1, 2, 3, 4]) {
      opened.feed(n, { deadlineMs: 100 }).then(
        (offset) => log.push(`fed ${n} as ${offset}`),
        (error: { message: string; data: object }) => unknown.push([n, error.message, error.data]),
      );
    }
    await rest();
    await advance(100);
    expect(log).to.deep.equal(['fed 1 as 0', 'fed 2 as 1']);
    const third = 'the first node has not processed what was fed within 100 ms, message 2; it may still be processed';
    const fourth = 'what was to be fed has not had its turn within 100 ms, and was not fed';
    expect(unknown).to.deep.equal([
      [3, third, { offset: 2, outcomeUnknown: true }],
      [4, fourth, { outcomeUnknown: false }],
    ]);
    expect(opened.status()).to.deep.include({ newest: 2, open: 3, waiting: 1 });
    open();
    await rest();
    await feed(5);
    expect(seen).to.deep.equal([1, 2, 3, 5]);
    expect(log.at(-1)).to.equal('fed 5 as 3');
  });

  it('G4: an output list does not overshoot: no call is made until all of it fits', async () => {
    const { open, opened: stuck } = gate();
    const nodes = pipe<number>()
      .unfold((n) => [n, n, n], { maxQueueLen: 2 })
      .to(() => stuck);
    const { log, feed, rest } = await openedPipe(nodes);
    await feed(1);
    await feed(2);
    expect(log).to.deep.equal(['fed 1 as 0', 'fed 2 as 1']);
    await feed(3);
    expect(log).to.have.length(2);
    open();
    await rest();
    expect(log.at(-1)).to.equal('fed 3 as 2');
  });

  it('G5: what the last node sends on is done', async () => {
    const { opened, feed } = await openedPipe(
      pipe<number>()
        .unfold((n) => [n, n])
        .end(),
    );
    await feed(1);
    expect(opened.settled).to.equal(0);
  });

  it('G6: a flush travels in its place among the messages, and resolves behind the last node', async () => {
    const log: string[] = [];
    const { open, opened: slow } = gate();
    const nodes = pipe<string>()
      .aggregate({ count: 10, intervalMs: 60_000 })
      .to(async (values) => {
        await slow;
        log.push(`sink ${values.join('')}`);
      });
    const { opened, feed, flush, rest } = await openedPipe(nodes, {}, log);
    await feed('a');
    await flush();
    await feed('b');
    expect(log).to.deep.equal(['fed a as 0', 'fed b as 1']);
    open();
    await rest();
    expect(log.slice(2)).to.deep.equal(['sink a', 'flushed']);
    expect(opened.settled).to.equal(0);
  });

  it('G7: after an upstream failure each node flushes, drains, and lets the next one do the same', async () => {
    const log: string[] = [];
    const nodes = pipe<number>()
      .aggregate({ count: 10, intervalMs: 60_000 }, (values) => values.reduce((sum, n) => sum + n, 0))
      .aggregate({ count: 10, intervalMs: 60_000 })
      .to(
        defineNode<string, readonly number[], never>({
          init: () => 'the state of the sink',
          handleMessage: (_, message) => {
            log.push(`sink ${message.value.join()}`);
            return { drop: [message] };
          },
          terminate: (state) => log.push(`terminate ${state}`),
        }),
      );
    const { opened, feed } = await openedPipe(nodes, {}, log);
    await feed(1);
    await feed(2);
    log.push(endingText(await opened.finish()));
    const end = ['sink 3', 'terminate the state of the sink', 'upstreamFailure, nothing open'];
    expect(log).to.deep.equal(['fed 1 as 0', 'fed 2 as 1', ...end]);
  });

  it('G8: after a failed callback, what was produced is still delivered, and the caller feeds from there again', async () => {
    const log: string[] = [];
    const { open, opened: slow } = gate();
    const nodes = pipe<number>()
      .map((n) => n)
      .map((n) => {
        if (n === 2) throw new Error('2 is bad');
        return n;
      })
      .to(async (n) => {
        await slow;
        log.push(`sink ${n}`);
      });
    const { opened, feed, rest } = await openedPipe(nodes, {}, log);
    for (const n of [1, 2, 3]) await feed(n);
    await rest();
    open();
    log.push(endingText(await opened.ended));
    expect(log.slice(-2)).to.deep.equal(['sink 1', 'crash, 2 open from 1: 2 is bad']);
    expect(log.slice(0, 2)).to.deep.equal(['fed 1 as 0', 'fed 2 as 1']);
  });

  it('G8, G9: a failure of the first node rejects its feed, and every later one, with the true reason', async () => {
    const reason = new Error('store down');
    const nodes = pipe<number>().to(() => {
      throw reason;
    });
    const { opened, log, feed } = await openedPipe(nodes);
    void feed(1);
    await feed(2);
    await feed(3);
    const ending = await opened.ended;
    expect(ending.error).to.include({ code: 'PROCESSING_FAILED', cause: reason });
    expect(await opened.feed(4).catch((error: unknown) => error)).to.equal(ending.error);
    expect(await opened.flush().catch((error: unknown) => error)).to.equal(ending.error);
    expect(log).to.deep.equal(['feed 1: store down', 'feed 2: store down', 'feed 3: store down']);
    expect(endingText(ending)).to.equal('crash, 1 open from 0: store down');
  });

  it('G9: the exit of a node is told from a crash', async () => {
    const exiting = defineNode<unknown, number, number>({
      handleMessage: (_, message) => ({
        outputs: [{ value: message.value, of: [message] }],
        exit: message.value === 2,
      }),
    });
    const seen: unknown[] = [];
    const { opened, feed } = await openedPipe(
      pipe<number>()
        .node(exiting)
        .to((n) => void seen.push(n)),
    );
    await feed(1);
    await feed(2);
    expect(endingText(await opened.ended)).to.equal('exit, nothing open: PIPE_EXITED');
    expect(seen).to.deep.equal([1, 2]);
  });

  it('G10: a stop aborts the call that runs, drops what is queued, and waits for the call', async () => {
    const log: string[] = [];
    const { open, opened: slow } = gate();
    const nodes = pipe<number>()
      .map((n) => n)
      .to(async (n, _, { signal }) => {
        log.push(`sink ${n}`);
        signal.addEventListener('abort', () => log.push('the signal aborts'));
        await slow;
        log.push('the call returns');
      });
    const { opened, feed, rest } = await openedPipe(nodes, {}, log);
    await feed(1);
    await feed(2);
    void opened.stop().then((ending) => log.push(endingText(ending)));
    await rest();
    open();
    await opened.ended;
    await rest();
    const end = ['the signal aborts', 'the call returns', 'stop, 2 open from 0'];
    expect(log).to.deep.equal(['sink 1', 'fed 1 as 0', 'fed 2 as 1', ...end]);
  });

  it('G10: a call that ignores its signal is waited for at most callDeadlineMs, and is named', async () => {
    const { opened, feed, advance } = await openedPipe(pipe<number>().to(() => new Promise(() => {})));
    void feed(1);
    await advance(0);
    const stopping = opened.stop();
    await advance(999);
    expect(opened.status().state).to.equal('stopping');
    await advance(1);
    expect((await stopping).orphans).to.have.length(1);
    expect((await stopping).orphans[0]).to.include('pipe-node');
  });

  it('G11: the status of each node answers while a call hangs', async () => {
    const { opened, feed, advance } = await openedPipe(
      pipe<number>()
        .map((n) => n)
        .to(() => new Promise(() => {})),
    );
    await feed(1);
    await feed(2);
    await advance(500);
    const { state, newest, settled, open, nodes } = opened.status();
    expect({ state, newest, settled, open }).to.deep.equal({ state: 'running', newest: 1, settled: -1, open: 2 });
    expect(nodes.map(({ node, state: doing }) => `${node} ${doing}`)).to.deep.equal(['map/0 ready', 'sink/1 working']);
    expect(nodes[1]?.calling).to.deep.equal({ callback: 'handleMessage', forMs: 500 });
    void opened.stop();
    await advance(1_000);
  });
});

describe('a pipe without a consumer, as kflow_pipe', () => {
  it('Q1: a feed that has timed out may still be processed, and then counts', async () => {
    const { open, opened: slow } = gate();
    const { opened, log, feed, advance, rest } = await openedPipe(pipe<number>().to(() => slow));
    await feed(1, { deadlineMs: 300 });
    await advance(299);
    expect(log).to.deep.equal([]);
    await advance(1);
    expect(log).to.deep.equal(['feed 1: PIPE_TIMEOUT']);
    open();
    await rest();
    expect(opened.settled).to.equal(0);
  });

  it('Q1: under retry a feed waits until its call has succeeded', async () => {
    let failures = 2;
    const nodes = pipe<number>().to(() => {
      failures -= 1;
      if (failures >= 0) throw new Error('not yet');
    });
    const { log, feed, advance } = await openedPipe(nodes, { onFailure: retry({ minMs: 100, maxMs: 100 }) });
    await feed(1);
    await advance(199);
    expect(log).to.deep.equal([]);
    await advance(1);
    expect(log).to.deep.equal(['fed 1 as 0']);
  });

  it('Q1: many callers at once are served in the order of their calls', async () => {
    const seen: number[] = [];
    const { opened } = await openedPipe(pipe<number>().to(async (n) => void seen.push(n)));
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    const offsets = await Promise.all(numbers.map((n) => opened.feed(n)));
    expect(offsets).to.deep.equal(numbers);
    expect(seen).to.deep.equal(numbers);
  });

  it('Q2: the end of a pipe returns when the last node is down', async () => {
    const { open, opened: slow } = gate();
    const log: string[] = [];
    const last = defineNode<unknown, number, never>({
      handleMessage: (_, message) => ({ drop: [message] }),
      terminate: async () => {
        await slow;
        log.push('the last node is down');
      },
    });
    const { opened, feed, rest } = await openedPipe(
      pipe<number>()
        .map((n) => n)
        .to(last),
      {},
      log,
    );
    await feed(1);
    void opened.finish().then(() => log.push('ended'));
    await rest();
    expect(log).to.deep.equal(['fed 1 as 0']);
    open();
    await rest();
    expect(log.slice(1)).to.deep.equal(['the last node is down', 'ended']);
  });

  it('Q3: an end has a deadline, and names the node that did not end, and what is left', async () => {
    const nodes = pipe<number>()
      .map((n) => n)
      .aggregate({ count: 10, intervalMs: 60_000 })
      .to(() => new Promise(() => {}));
    const { opened, feed, advance, rest } = await openedPipe(nodes);
    await feed(1);
    await feed(2);
    const ending = opened.finish({ deadlineMs: 300 });
    await rest();
    await advance(300);
    expect(opened.status().state).to.equal('stopping');
    await advance(1_000);
    const { reason, error, firstOpen, open, orphans } = await ending;
    expect({ reason, firstOpen, open }).to.deep.equal({ reason: 'upstreamFailure', firstOpen: 0, open: 2 });
    expect(orphans).to.have.length(1);
    expect(error).to.include({ code: 'PIPE_TIMEOUT' });
    expect(error?.message).to.equal(
      'the pipe has not drained within 300 ms: node sink/2 has not ended, whose handleMessage has run for 300 ms; 2 messages are not done, from offset 0 on',
    );
  });
});
