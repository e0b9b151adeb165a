// `settled` of an open pipe: a prefix of what was fed, which an aggregate, a divided message and a route hold back until they are done. O2
// and O3 of docs/seeds.md are the cases in which kflow's offset passes a message that is not.
import { expect } from 'chai';
import fc from 'fast-check';
import { openPipe } from '../../../src/consumer/open-pipe.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { actorsOf, crash } from '../../../supervision/index.js';
import { gate } from '../../support/gate.js';
import { endingText, openedPipe } from '../../support/opened-pipe.js';

describe('what is settled in an open pipe', () => {
  it('is a prefix: a message that an aggregate holds keeps back those behind it', async () => {
    const notices: number[] = [];
    const nodes = pipe<string>()
      .demux((text) => text)
      .aggregate({ count: 2, intervalMs: 60_000 })
      .join()
      .to(() => undefined);
    const { opened, rest } = await openedPipe(nodes, { onSettled: (offset) => notices.push(offset) });
    await opened.feedAll(['a', 'b', 'b', 'c', 'c']);
    await rest();
    expect(opened.status()).to.include({ newest: 4, settled: -1, open: 1 });
    expect(notices).to.deep.equal([]);
    await opened.feed('a');
    await rest();
    expect(opened.status()).to.include({ newest: 5, settled: 5, open: 0 });
    expect(notices).to.deep.equal([5]);
  });

  it('waits for the last share of a divided message (O3)', async () => {
    const seen: (readonly string[])[] = [];
    const nodes = pipe<string>()
      .unfold((text) => [...text])
      .aggregate({ count: 2, intervalMs: 60_000 })
      .to((pair) => void seen.push(pair));
    const { opened, feed, flush } = await openedPipe(nodes);
    await feed('xyz');
    expect(seen).to.deep.equal([['x', 'y']]);
    expect(opened.settled).to.equal(-1);
    await flush();
    expect(opened.settled).to.equal(0);
  });

  it('does not pass a route whose batch has failed in a flush of several (O2), and names it in the end', async () => {
    const nodes = pipe<number>()
      .demux((n) => (n === 1 || n === 5 ? 'a' : 'b'))
      .aggregate({ count: 10, intervalMs: 60_000 })
      .join()
      .to((batch) => {
        if (batch.includes(1)) throw new Error('bad batch');
      });
    const { opened, flush } = await openedPipe(nodes);
    await opened.feedAll([1, 2, 3, 5]);
    await flush();
    expect(endingText(await opened.ended)).to.equal('crash, 4 open from 0: bad batch');
  });

  it('is told once at a time, with the newest offset, and for the last time before the end', async () => {
    const log: string[] = [];
    const { open, opened: slow } = gate();
    const nodes = pipe<number>().to(() => undefined);
    const options = {
      onSettled: async (offset: number): Promise<void> => {
        log.push(`begin ${offset}`);
        if (offset === 0) await slow;
        log.push(`end ${offset}`);
      },
    };
    const { opened, feed, rest } = await openedPipe(nodes, options, log);
    for (const n of [1, 2, 3]) await feed(n);
    void opened.finish().then((ending) => log.push(endingText(ending)));
    await rest();
    expect(log.filter((line) => !line.startsWith('fed'))).to.deep.equal(['begin 0']);
    open();
    await opened.ended;
    await rest();
    const later = ['end 0', 'begin 2', 'end 2', 'upstreamFailure, nothing open'];
    expect(log.filter((line) => !line.startsWith('fed'))).to.deep.equal(['begin 0', ...later]);
  });

  it('goes on if onSettled fails, with a warning, and an end waits for it no longer than callDeadlineMs', async () => {
    const warnings: unknown[] = [];
    const reason = new Error('disk full');
    const nodes = pipe<number>().to(() => undefined);
    const onSettled = (offset: number): Promise<never> =>
      offset === 0 ? Promise.reject(reason) : new Promise(() => {});
    const { opened, feed, rest, advance } = await openedPipe(nodes, { onSettled });
    opened.on('warning', ({ message, error }) => warnings.push([message, error]));
    await feed(1);
    expect(warnings).to.deep.equal([['onSettled has failed; it is not called for this offset again', reason]]);
    await feed(2);
    const ending = opened.finish({ deadlineMs: 50_000 });
    await rest();
    await advance(1_000);
    await advance(1_000);
    expect(endingText(await ending)).to.equal('upstreamFailure, nothing open');
    expect((await ending).orphans).to.deep.equal(['pipe-origin/pipe#1: onSettled#1']);
  });

  it('covers only what the sink has got, in random pipes with failures and killed actors, and everything at the end', async () => {
    const shape = fc.record({
      shares: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 }),
      routes: fc.integer({ min: 1, max: 4 }),
      count: fc.integer({ min: 1, max: 5 }),
      outer: fc.integer({ min: 1, max: 3 }),
      batch: fc.integer({ min: 1, max: 7 }),
      maxQueueLen: fc.integer({ min: 1, max: 3 }),
      flushAt: fc.integer({ min: 0, max: 50 }),
      failAt: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
      kill: fc.option(fc.record({ write: fc.nat({ max: 20 }), actor: fc.nat({ max: 7 }) }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ shares, routes, count, outer, batch, maxQueueLen, flushAt, failAt, kill }) => {
        const written = new Map<number, number>();
        let writes = 0;
        const nodes = pipe<{ readonly n: number; readonly parts: number }>()
          .unfold(({ n, parts }) => Array.from({ length: parts }, (_, part) => ({ n, part })), { maxQueueLen })
          .demux(({ n, part }) => `route ${(n + part) % routes}`)
          .aggregate({ count, intervalMs: 60_000 })
          .join()
          .aggregate({ count: outer, intervalMs: 60_000 })
          .to(async (groups) => {
            await Promise.resolve();
            if (writes === kill?.write) setImmediate(() => killed(kill.actor));
            if (writes++ === failAt) throw new Error('bad write');
            for (const { n } of groups.flat()) written.set(n, (written.get(n) ?? 0) + 1);
          });
        const check = (to: number): void => {
          for (let n = 0; n <= to; n += 1)
            expect(written.get(n) ?? 0, `message ${n}, settled to ${to}`).to.equal(shares[n]);
        };
        const told: number[] = [];
        const onSettled = (offset: number): void => {
          told.push(offset);
          check(offset);
        };
        const warnings: unknown[] = [];
        const opened = await openPipe(nodes, { logger: false, onFailure: 'crash', onSettled });
        opened.on('warning', ({ error }) => warnings.push(error));
        let isKilled = false;
        const killed = (actor: number): void => {
          const ref = actorsOf(opened.runtime)[actor];
          if (ref === undefined) return;
          isKilled = true;
          crash(ref, new Error('killed'));
        };
        const values = shares.map((parts, n) => ({ n, parts }));
        const calls: Promise<unknown>[] = [];
        for (let at = 0; at < values.length; at += batch) {
          calls.push(opened.feedAll(values.slice(at, at + batch)));
          if (at <= flushAt && flushAt < at + batch) calls.push(opened.flush());
        }
        await Promise.allSettled(calls);
        const { firstOpen, open, reason } = await opened.finish();
        expect(warnings).to.deep.equal([]);
        check(firstOpen - 1);
        expect(told).to.deep.equal([...new Set(told)].toSorted((left, right) => left - right));
        // A killed origin tells nothing more.
        if (!isKilled) expect(told.at(-1) ?? -1).to.equal(firstOpen - 1);
        expect(told.at(-1) ?? -1).to.be.at.most(firstOpen - 1);
        // It may have ended before it was killed.
        if (isKilled) expect(reason).to.equal(open > 0 ? 'crash' : reason);
        else if (failAt === undefined || writes <= failAt)
          expect({ firstOpen, open }).to.deep.equal({ firstOpen: shares.length, open: 0 });
        else expect(open).to.be.above(0);
      }),
      { numRuns: 150 },
    );
  });
});
