// Every actor of an open pipe, killed at every message: nothing is done that is not, no call waits for ever, and what is fed again from
// the first open offset is complete. And every message twice.
import { expect } from 'chai';
import { openPipe, type OpenPipe } from '../../../src/consumer/open-pipe.js';
import type { Intercept } from '../../../supervision/index.js';
import { pipe } from '../../../src/pipes/pipe.js';

const values = ['ab', 'c', '', 'def', 'g', 'h'];
const wanted = values.flatMap((value, offset) => [...value].map((part) => `${offset}${part}`));

interface Run {
  /** What has been written, a line for each part of a message. */
  readonly written: string[];
  readonly told: number[];
  readonly opened: OpenPipe<string> | undefined;
  /** What the calls have rejected with. */
  readonly failures: readonly unknown[];
}

async function run(intercept: Intercept, firstOffset = 0, written: string[] = []): Promise<Run> {
  const told: number[] = [];
  const nodes = pipe<string>()
    .unfold((text, { item }) => [...text].map((part) => `${item?.sequenceNumber}${part}`), { maxQueueLen: 2 })
    .demux((part) => (part.endsWith('a') ? 'a' : 'other'))
    .aggregate({ count: 2, intervalMs: 60_000 })
    .join()
    .to(async (parts) => {
      await Promise.resolve();
      written.push(...parts);
    });
  const options = { firstOffset, logger: false, onFailure: 'crash', runtime: { intercept } } as const;
  const onSettled = (offset: number): unknown => told.push(offset);
  const opened = await openPipe(nodes, { ...options, onSettled }).catch(() => undefined);
  if (opened === undefined) return { written, told, opened, failures: [] };
  const rest = values.slice(firstOffset);
  const calls = [
    ...rest.slice(0, 3).map((value) => opened.feed(value, { deadlineMs: 60_000 })),
    opened.flush(),
    opened.feedAll(rest.slice(3)),
    opened.finish(),
  ];
  const results = await Promise.allSettled<unknown>(calls);
  return {
    written,
    told,
    opened,
    failures: results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : [])),
  };
}

const isOf = (line: string, offset: number): boolean => Number.parseInt(line, 10) < offset;

/** Kills the receiver of message `at`, before it has handled it or after. */
function killAt(at: number, isAfter: boolean): { readonly intercept: Intercept; readonly hasKilled: () => boolean } {
  let messages = 0;
  const intercept: Intercept = {
    receive: (_, receive) => {
      messages += 1;
      const isHere = messages - 1 === at;
      if (!isHere || isAfter) receive();
      if (isHere) throw new Error('killed');
    },
  };
  return { intercept, hasKilled: () => messages > at };
}

describe('an open pipe', () => {
  for (const isAfter of [false, true]) {
    it(`loses nothing when an actor is killed ${isAfter ? 'after' : 'before'} it handles any message`, async () => {
      let kills = 0;
      const reasons = new Set<string>();
      for (; ; kills += 1) {
        const killing = killAt(kills, isAfter);
        const { written, told, opened, failures } = await run(killing.intercept);
        if (!killing.hasKilled()) break;
        const ending = await opened?.ended;
        const { firstOpen = 0, open = values.length, reason = 'crash', error } = ending ?? {};
        reasons.add(reason);
        const about = `killed at message ${kills}, ${reason}, open from ${firstOpen}`;
        const done = wanted.filter((line) => isOf(line, firstOpen));
        expect(written, about).to.include.members(done);
        expect(
          told.every((offset) => offset < firstOpen),
          about,
        ).to.equal(true);
        if (open > 0) expect(reason, about).to.equal('crash');
        if (reason === 'upstreamFailure') expect(failures, about).to.deep.equal([]);
        for (const failure of failures) expect(failure, about).to.equal(error);
        const again = await run({}, firstOpen, written);
        expect([...new Set(again.written)].toSorted(), about).to.deep.equal(wanted.toSorted());
        expect((await again.opened?.ended)?.firstOpen, about).to.equal(values.length);
      }
      expect(kills).to.be.above(60);
      expect([...reasons]).to.include('crash');
    });
  }

  it('does all once when every message comes twice', async () => {
    const { written, opened, failures } = await run({
      deliver: (_, deliver) => {
        deliver();
        deliver();
      },
    });
    expect(failures).to.deep.equal([]);
    expect(written.toSorted()).to.deep.equal(wanted.toSorted());
    expect(await opened?.ended).to.deep.include({ reason: 'upstreamFailure', firstOpen: values.length, open: 0 });
  });
});
