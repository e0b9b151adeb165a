// What is decided for calls of an open pipe that meet: at once, during the end, after it, and inside a node. And what it shows of failures.
import { expect } from 'chai';
import { openPipe } from '../../../src/consumer/open-pipe.js';
import { isKinactError } from '../../../src/api/errors.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { json } from '../../../src/pipes/json.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { gate } from '../../support/gate.js';
import { endingText, openedPipe } from '../../support/opened-pipe.js';

const refusalOf = async (call: Promise<unknown>): Promise<string> => {
  const error: unknown = await call.catch((thrown: unknown) => thrown);
  return isKinactError(error) ? `${error.code}: ${error.message}` : String(error);
};

const never = (): Promise<never> => new Promise(() => {});

describe('what is fed to an open pipe', () => {
  it('goes in together with feedAll, in order, and has offsets in a row', async () => {
    const seen: number[] = [];
    const { opened } = await openedPipe(pipe<number>().to((n) => void seen.push(n)));
    const numbers = Array.from({ length: 600 }, (_, n) => n);
    const [first, many, one] = [opened.feed(-1), opened.feedAll(new Set(numbers)), opened.feed(-2)];
    expect([await first, await many, await one]).to.deep.equal([0, 600, 601]);
    expect(seen).to.deep.equal([-1, ...numbers, -2]);
  });

  it('may be nothing: the newest offset is the answer, in its turn', async () => {
    const { opened } = await openedPipe(pipe<number>().to(() => undefined));
    expect(await opened.feedAll([])).to.equal(-1);
    const feeding = opened.feed(1);
    expect(await opened.feedAll([])).to.equal(0);
    expect(await feeding).to.equal(0);
  });

  it('is refused if it is no list of values, or has unknown options', async () => {
    const { opened } = await openedPipe(pipe<string>().to(() => undefined));
    const refusals = [opened.feedAll('abc'), opened.feedAll(5 as never), opened.feed('a', { deadlineMs: -1 })];
    const unknown = [opened.feed('a', { deadline: 1 } as never), opened.flush({ key: 'a' } as never)];
    for (const call of [...refusals, ...unknown]) expect(await refusalOf(call)).to.match(/^INVALID_OPTION: /);
    expect(opened.status().newest).to.equal(-1);
  });

  it('is an item to the nodes, with the key and the offset, which continues where the last pipe ended', async () => {
    const seen: unknown[] = [];
    const nodes = pipe<Buffer>().to((_, { item, lease, sizeBytes }) => {
      const { key, source, shardId, sequenceNumber, fence, replayed, token } = item ?? expect.fail();
      seen.push({ key, source, shardId, sequenceNumber, fence, replayed, id: token.idempotencyKey, lease, sizeBytes });
    });
    const { opened } = await openedPipe(nodes, { name: 'lines', firstOffset: 40 });
    expect(opened.settled).to.equal(39);
    expect(await opened.feed(Buffer.from('abc'), { key: 'k' })).to.equal(40);
    const place = { source: 'lines', shardId: 'lines', fence: 0 };
    const rest = { replayed: false, id: 'lines/40/-/0', lease: place, sizeBytes: 4 };
    expect(seen).to.deep.equal([{ key: 'k', ...place, sequenceNumber: '40', ...rest }]);
    expect((await opened.finish()).firstOpen).to.equal(41);
  });
});

describe('calls of an open pipe that meet', () => {
  it('flush one after the other, each in its place', async () => {
    const log: string[] = [];
    const nodes = pipe<string>()
      .aggregate({ count: 10, intervalMs: 60_000 })
      .to((values) => void log.push(values.join('')));
    const { feed, flush } = await openedPipe(nodes, {}, log);
    void feed('a');
    void flush();
    void feed('b');
    void flush();
    await flush();
    expect(log.filter((line) => !line.startsWith('fed'))).to.deep.equal(['a', 'flushed', 'b', 'flushed', 'flushed']);
  });

  it('hold a flush back while a failed call holds a node; at its deadline the flush goes on', async () => {
    let isDown = true;
    const log: string[] = [];
    const nodes = pipe<string>()
      .aggregate({ count: 10, intervalMs: 60_000 })
      .to((values) => {
        if (isDown) throw new Error('store down');
        log.push(values.join(''));
      });
    const { feed, flush, advance } = await openedPipe(nodes, { onFailure: retry({ minMs: 100, maxMs: 100 }) }, log);
    await feed('a');
    await flush({ deadlineMs: 250 });
    await advance(250);
    expect(log).to.deep.equal(['fed a as 0', 'flush: PIPE_TIMEOUT']);
    isDown = false;
    await advance(100);
    expect(log.slice(2)).to.deep.equal(['a']);
  });

  it('hold a feed back while its call runs, also when a call of a later node has failed', async () => {
    const { open, opened: slow } = gate();
    const nodes = pipe<number>()
      .map(async (n) => {
        if (n === 2) await slow;
        return n;
      })
      .to(() => {
        throw new Error('store down');
      });
    const { opened, log, feed, rest } = await openedPipe(nodes, { onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) });
    await feed(1);
    expect(opened.status().nodes[1]?.state).to.equal('waiting');
    await feed(2);
    expect(log).to.deep.equal(['fed 1 as 0']);
    open();
    await rest();
    expect(log).to.deep.equal(['fed 1 as 0', 'fed 2 as 1']);
  });

  it('are all carried out before the end that was asked for behind them, and refused afterwards', async () => {
    const log: string[] = [];
    const { open, opened: slow } = gate();
    const slowly = defineNode<unknown, number, number>({
      handleMessage: async (_, message) => {
        await slow;
        log.push(`sink ${message.value}`);
        return { drop: [message] };
      },
      handleFlush: async () => ({}),
    });
    const { opened, feed, flush, rest } = await openedPipe(pipe<number>().to(slowly), {}, log);
    void feed(1);
    void feed(2);
    void flush();
    void flush();
    void opened.finish().then((ending) => log.push(endingText(ending)));
    void feed(3);
    await flush();
    const refused = ['feed 3: STOPPED', 'flush: STOPPED'];
    expect(log).to.deep.equal(refused);
    expect(opened.status().state).to.equal('draining');
    open();
    await rest();
    const done = [
      'sink 1',
      'fed 1 as 0',
      'sink 2',
      'fed 2 as 1',
      'flushed',
      'flushed',
      'upstreamFailure, nothing open',
    ];
    expect(log.slice(2)).to.deep.equal(done);
    await feed(4);
    expect(log.at(-1)).to.equal('feed 4: STOPPED');
  });

  it('end once: a second end has the same ending, and no deadline of its own', async () => {
    const { opened, feed, rest, advance } = await openedPipe(pipe<number>().to(never));
    void feed(1);
    await rest();
    const endings = [opened.finish(), opened.finish({ deadlineMs: 5 })];
    await advance(100);
    expect(opened.status().state).to.equal('draining');
    endings.push(opened.stop(), opened.stop(), opened.finish());
    await advance(1_000);
    const [first, ...others] = await Promise.all(endings);
    expect(endingText(first ?? expect.fail())).to.equal('stop, 1 open from 0');
    for (const ending of [...others, await opened.ended, await opened.stop()]) expect(ending).to.equal(first);
    expect(await refusalOf(opened.finish({ deadlineMs: -1 }))).to.match(/^INVALID_OPTION: /);
  });

  it('end with finish by its name in kflow, too, with the same deadline, refusals and ending', async () => {
    const { opened, feed, rest, advance } = await openedPipe(pipe<number>().to(never));
    void feed(1);
    await rest();
    expect(await refusalOf(opened.notifyUpstreamFailure({ deadlineMs: -1 }))).to.match(/^INVALID_OPTION: /);
    expect(opened.status().state).to.equal('running');
    const ending = opened.notifyUpstreamFailure({ deadlineMs: 5 });
    expect(opened.status().state).to.equal('draining');
    await advance(1_005);
    expect(await ending).to.equal(await opened.finish());
    expect(endingText(await ending)).to.match(/^upstreamFailure, 1 open from 0: PIPE_TIMEOUT/);
  });

  it('reject when the pipe is stopped, with the reason', async () => {
    const { opened, log, feed, flush, rest } = await openedPipe(pipe<number>().to(never));
    void feed(1);
    void feed(2);
    await flush();
    void opened.stop();
    await feed(3);
    expect(log).to.deep.equal(['feed 3: STOPPED']);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(opened.status().state).to.equal('stopping');
    await rest();
  });

  it('end a pipe at the end of an `await using` block, with all that was fed', async () => {
    const seen: unknown[] = [];
    {
      const nodes = pipe<number>().aggregate({ count: 10 });
      await using opened = await openPipe(
        nodes.to((values) => void seen.push(values)),
        { logger: false },
      );
      await opened.feedAll([1, 2]);
    }
    expect(seen).to.deep.equal([[1, 2]]);
  });
});

describe('the end of an open pipe', () => {
  it('tries a failed call once more at once, and does not wait out its pause', async () => {
    let isDown = true;
    const nodes = pipe<number>().to(() => {
      if (isDown) throw new Error('store down');
    });
    const { opened, feed } = await openedPipe(nodes, { onFailure: retry({ minMs: 60_000, maxMs: 60_000 }) });
    await feed(1);
    isDown = false;
    expect(endingText(await opened.finish())).to.equal('upstreamFailure, nothing open');
  });

  it('is a crash if a node fails while it drains, and what it and those behind it have drains all the same', async () => {
    const log: string[] = [];
    const failing = defineNode<number[], number, number>({
      init: () => [],
      handleMessage: (state, message) => ({ keep: [message], state: [...state, message.value] }),
      handleFlush: () => {
        throw new Error('bad batch');
      },
    });
    const nodes = pipe<number>()
      .aggregate({ count: 1 }, ([n = 0]) => n)
      .node(failing)
      .to((n) => void log.push(`sink ${n}`));
    const { opened, feed } = await openedPipe(nodes, {}, log);
    await feed(1);
    log.push(endingText(await opened.finish()));
    expect(log.slice(1)).to.deep.equal(['crash, 1 open from 0: bad batch']);
  });

  it('is an exit if a node asks for the end while it drains', async () => {
    const exiting = defineNode<unknown, readonly number[], number>({
      handleMessage: (_, message) => ({ drop: [message], exit: true }),
    });
    const nodes = pipe<number>().aggregate({ count: 10, intervalMs: 60_000 }).to(exiting);
    const { opened, feed } = await openedPipe(nodes);
    await feed(1);
    expect(endingText(await opened.finish())).to.equal('exit, nothing open: PIPE_EXITED');
  });

  it('leaves open what a node keeps that has no handleFlush', async () => {
    const keeping = defineNode<unknown, number, number>({ handleMessage: (_, message) => ({ keep: [message] }) });
    const { opened, feed } = await openedPipe(pipe<number>().to(keeping));
    await feed(1);
    expect(endingText(await opened.finish())).to.equal('upstreamFailure, 1 open from 0');
  });

  it('leaves no timer', async () => {
    const clock = new ManualClock();
    let timers = 0;
    const counting = {
      after: (ms: number, callback: () => void) => {
        timers += 1;
        let isOver = false;
        const over = (): void => {
          if (!isOver) timers -= 1;
          isOver = true;
        };
        const cancel = clock.after(ms, () => (over(), callback()));
        return () => (over(), cancel());
      },
    };
    const nodes = pipe<number>().aggregate({ count: 10, intervalMs: 60_000 });
    const opened = await openPipe(
      nodes.to(() => undefined),
      { logger: false, onSettled: () => undefined, runtime: { clock, timers: counting } },
    );
    await opened.feed(1);
    const before = timers;
    expect(before).to.be.above(0);
    await opened.feed(2, { deadlineMs: 60_000 });
    expect(timers).to.equal(before);
    await opened.flush({ deadlineMs: 60_000 });
    await opened.feed(3);
    await opened.finish({ deadlineMs: 60_000 });
    expect(timers).to.equal(0);
  });
});

describe('a call of an open pipe in a callback of its own node', () => {
  it('is refused, because it would wait for that callback; after the callback it is not', async () => {
    const refusals: string[] = [];
    const seen: number[] = [];
    let later: Promise<unknown> = Promise.resolve();
    const nodes = pipe<number>().to(async (n) => {
      seen.push(n);
      if (n !== 1) return;
      await Promise.resolve();
      for (const call of [opened.feed(2), opened.feedAll([2]), opened.flush(), opened.finish()])
        refusals.push((await refusalOf(call)).replace(/:.*/u, ''));
      // Code that a callback has only started may call.
      later = new Promise((resolve) => setTimeout(() => resolve(opened.feed(3)), 1));
    });
    const { opened } = await openedPipe(nodes);
    await opened.feed(1);
    expect(await later).to.equal(1);
    expect(refusals).to.deep.equal(['REFUSED', 'REFUSED', 'REFUSED', 'REFUSED']);
    expect(seen).to.deep.equal([1, 3]);
  });

  it('does not begin the work of a callback twice whose result begins it with `then`', async () => {
    let begun = 0;
    const lazy = defineNode<unknown, number, number>({
      handleMessage: (_, message) => ({
        // As some clients of databases have it.
        then: (resolve) => {
          begun += 1;
          return Promise.resolve({ drop: [message] }).then(resolve);
        },
      }),
    });
    const { opened } = await openedPipe(pipe<number>().to(lazy));
    await opened.feed(1);
    expect(begun).to.equal(1);
  });

  it('may be a stop, and a feed of another pipe', async () => {
    const other = await openedPipe(pipe<number>().to(() => undefined));
    const nodes = pipe<number>().to(async (n) => {
      await other.opened.feed(n);
      void opened.stop();
    });
    const { opened } = await openedPipe(nodes);
    await opened.feed(1).catch(() => undefined);
    expect((await opened.ended).reason).to.equal('stop');
    await other.rest();
    expect(other.opened.settled).to.equal(0);
  });
});

describe('failures in an open pipe', () => {
  it('come as events, and are counted', async () => {
    const events: string[] = [];
    let failures = 1;
    const nodes = pipe<number>().to((n) => {
      if (n === 1 && failures-- > 0) throw new Error('not yet');
      if (n === 2) throw new Error('never');
    });
    const { opened, feed, advance } = await openedPipe(nodes, {
      name: 'orders',
      onFailure: (_, { value }) => (value === 2 ? 'skip' : retry({ minMs: 100, maxMs: 100 })),
    });
    for (const name of ['itemRetrying', 'itemRecovered', 'recordSkipped'] as const)
      opened.on(name, ({ source, sequenceNumber }) => events.push(`${name} ${source} ${sequenceNumber}`));
    await feed(1);
    await advance(100);
    await feed(2);
    const recovered = ['itemRetrying orders 0', 'itemRecovered orders 0'];
    expect(events).to.deep.equal([...recovered, 'recordSkipped orders 1']);
    expect(opened.status().counters).to.include({ retries: 1, skippedItems: 1 });
    expect(opened.settled).to.equal(1);
    expect(() => opened.on('leaseLost' as never, () => undefined)).to.throw(/^event: expected 'itemRetrying', /);
  });

  it('go to the logger, with the name of the pipe', async () => {
    const lines: unknown[] = [];
    const note = (fields: { application?: string; event?: string }): unknown =>
      lines.push([fields.application, fields.event]);
    const logger = { debug: note, info: note, warn: note, error: note };
    const nodes = pipe<number>().to(() => {
      throw new Error('never');
    });
    const { feed } = await openedPipe(nodes, { name: 'orders', logger, onFailure: 'skip' });
    await feed(1);
    expect(lines).to.deep.equal([['orders', 'recordSkipped']]);
  });

  it('stop no shard: such a policy is refused, and of a function it is a crash', async () => {
    const nodes = pipe<number>({ format: json }).to(() => {
      throw new Error('never');
    });
    const sink = park(() => Promise.resolve(), { then: 'stopShard' });
    const refused = [sink, 'stopShard', retry({ then: sink }), retry({ then: 'stopShard' })] as const;
    for (const onFailure of refused)
      expect(await refusalOf(openPipe(nodes, { onFailure }))).to.match(
        /^INVALID_OPTION: onFailure(\.then)*: stopShard is not possible/,
      );
    for (const policy of refused) {
      for (const onFailure of [() => policy, async () => policy]) {
        const { opened, feed } = await openedPipe(nodes, { onFailure });
        await feed(1);
        const { reason, error } = await opened.ended;
        expect(reason).to.equal('crash');
        expect(error?.message).to.match(/never \(onFailure threw: .*onFailure(\.then)*: stopShard is not/);
      }
    }
  });

  it('are refused in what openPipe is given', async () => {
    expect(await refusalOf(openPipe(pipe<number>().map((n) => n) as never))).to.match(/^INVALID_OPTION: pipe: /);
    expect(await refusalOf(openPipe(pipe().end as never))).to.match(/^INVALID_OPTION: /);
    const nodes = pipe<number>().to(() => undefined);
    expect(await refusalOf(openPipe(nodes, { deadlineMs: 5 } as never))).to.match(/^INVALID_OPTION: /);
  });
});
