// Consumers whose reducers have `process`, or are `collectsOnly`, in virtual time: what is left when records fail, when the sink is down,
// at a stop, at a restart, and when another consumer goes on.
import { expect } from 'chai';
import { defineReducer, type Item, type ReducerDefinition } from '../../src/api/reducer.js';
import { retry } from '../../src/options/retry-policy.js';
import type { FakeStream } from '../../src/testing/index.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { textOf } from '../support/consumer-harness.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer, type VirtualOptions } from '../support/virtual-consumer.js';

type Save = (items: readonly Item[]) => unknown;

const kinds: Readonly<Record<string, (save: Save, timeoutMs: number | undefined) => ReducerDefinition>> = {
  'a batch at a time': (save, timeoutMs) =>
    defineReducer({ process: (items) => save(items), timeoutMs, batch: { size: 40, intervalMs: 300 } }),
  'many calls at once': (save, timeoutMs) =>
    defineReducer({ process: (items) => save(items), timeoutMs, concurrency: 8 }),
  'many batches at once': (save, timeoutMs) =>
    defineReducer({ process: (items) => save(items), timeoutMs, concurrency: 3, batch: { size: 10, intervalMs: 100 } }),
  'a collectsOnly flush': (save, timeoutMs) =>
    defineReducer({
      init: (): readonly Item[] => [],
      reduce: (state, item) => [...state, item],
      flush: async (state) => {
        await save(state);
        return [];
      },
      collectsOnly: true,
      timeoutMs,
      batch: { size: 40, intervalMs: 300 },
    }),
};

const ids = (count: number): string[] => Array.from({ length: count }, (_, place) => `${place}`);

for (const [name, make] of Object.entries(kinds)) {
  describe(`a consumer with ${name}`, () => {
    const clock = new ManualClock();
    beforeEach(() => clock.install());
    afterEach(() => clock.uninstall());

    /** A sink that takes 50 ms for each call, and takes a call whole or not at all. */
    async function started(
      fails: (id: string) => boolean,
      more: VirtualOptions = {},
      stream?: FakeStream,
      call: { readonly timeoutMs?: number; readonly save?: Save } = {},
    ) {
      const done: string[] = [];
      let running = 0;
      const save: Save = async (items) => {
        running += 1;
        await call.save?.(items);
        await new Promise<void>((resolve) => void clock.after(50, resolve));
        running -= 1;
        const bad = items.find((item) => fails(textOf(item)));
        if (bad !== undefined) throw new Error(`cannot save ${textOf(bad)}`);
        done.push(...items.map(textOf));
      };
      const only = virtualConsumer(clock, {
        ...{ onFailure: retry(), reducer: make(save, call.timeoutMs), ...more },
        ...(stream === undefined ? { streamOptions: { shards: 3 } } : { stream }),
      });
      await inVirtualTime(clock, only.consumer.start());
      return { ...only, done, running: () => running };
    }

    const putAll = (stream: FakeStream, count: number, keys = 30): void => {
      for (const id of ids(count)) stream.put({ partitionKey: `k${Number(id) % keys}`, data: id });
    };
    const inKeyOrder = (done: readonly string[], keys = 30): void => {
      for (let key = 0; key < keys; key += 1) {
        const seen = done.map(Number).filter((id) => id % keys === key);
        expect(seen).to.deep.equal(seen.toSorted((a, b) => a - b));
      }
    };

    it('delivers everything once, in the order of each key, and drains at a stop with calls under way', async () => {
      const { consumer, stream, done, running, heard } = await started(() => false);
      putAll(stream, 500);
      await clock.advance(200);
      const { drained } = await inVirtualTime(clock, consumer.stop());
      expect(drained).to.equal(true);
      expect(running()).to.equal(0);
      const delivered = done.length;
      expect(new Set(done).size).to.equal(delivered);
      inKeyOrder(done);
      expect(heard('orphaned')).to.deep.equal([]);

      const next = await started(() => false, {}, stream);
      await clock.advance(60_000);
      expect(next.done.length, 'what the first one had not read').to.equal(500 - delivered);
      await inVirtualTime(clock, next.consumer.stop());
    });

    it('leaves exactly the bad records and what follows them in their keys; another consumer gets those', async () => {
      const bad = new Set(['7', '65', '66', '300']);
      const { consumer, stream, done } = await started((id) => bad.has(id));
      putAll(stream, 600);
      await clock.advance(300_000);
      const firstBad = new Map([...bad].toReversed().map((id) => [Number(id) % 30, Number(id)]));
      const expected = ids(600).filter((id) => Number(id) < (firstBad.get(Number(id) % 30) ?? Infinity));
      expect(done.toSorted()).to.deep.equal(expected.toSorted());
      inKeyOrder(done);
      expect(consumer.status().restarts).to.equal(0);
      const before = clock.now();
      const { drained } = await inVirtualTime(clock, consumer.stop());
      expect(drained).to.equal(false);
      expect(clock.now() - before).to.be.below(10_000);

      const next = await started(() => false, {}, stream);
      await clock.advance(60_000);
      expect(new Set([...done, ...next.done]).size).to.equal(600);
      const left = ids(600).filter((id) => !done.includes(id));
      expect(next.done).to.include.members(left);
      await inVirtualTime(clock, next.consumer.stop());
    });

    it('waits out an outage of its store: no restart, no end, and every record once', async () => {
      let isDown = true;
      const { consumer, stream, done, heard } = await started(() => isDown);
      putAll(stream, 400, 100);
      await clock.advance(120_000);
      expect(heard('outageStarted').length).to.be.greaterThan(0);
      expect(done).to.deep.equal([]);
      isDown = false;
      await clock.advance(120_000);
      expect(done.length).to.equal(400);
      expect(new Set(done).size).to.equal(400);
      inKeyOrder(done, 100);
      expect(heard('outageEnded').length).to.equal(heard('outageStarted').length);
      expect(consumer.ready()).to.deep.equal({ ok: true, reasons: [] });
      expect(consumer.status().restarts).to.equal(0);
      expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
    });

    it('loses nothing when the policy is `crash`', async () => {
      let failures = 2;
      const { consumer, stream, done } = await started((id) => id === '100' && (failures -= 1) >= 0, {
        onFailure: 'crash',
      });
      putAll(stream, 300);
      await clock.advance(60_000);
      expect(consumer.status().restarts).to.equal(2);
      expect(new Set(done).size).to.equal(300);
      expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
    });

    it('skips the bad record alone under `skip`', async () => {
      const { consumer, stream, done, heard } = await started((id) => id === '100', { onFailure: 'skip' });
      putAll(stream, 300);
      await clock.advance(60_000);
      expect(done.toSorted()).to.deep.equal(
        ids(300)
          .filter((id) => id !== '100')
          .toSorted(),
      );
      expect(heard('recordSkipped')).to.have.length(1);
      expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
    });

    it('restarts when a call ignores the abort of its signal, and delivers everything', async () => {
      let hangs = true;
      const { consumer, stream, done, heard } = await started(() => false, { callDeadlineMs: 2_000 }, undefined, {
        timeoutMs: 1_000,
        save: (items) => {
          if (!hangs || !items.some((item) => textOf(item) === '40')) return undefined;
          hangs = false;
          return new Promise(() => {});
        },
      });
      putAll(stream, 100);
      await clock.advance(60_000);
      expect(consumer.status().restarts).to.equal(1);
      expect(new Set(done).size).to.equal(100);
      expect(heard('orphaned')).to.have.length(1);
      const [restart] = heard('pipelineRestarted');
      expect(String(restart?.error)).to.include('after its signal was aborted');
      await inVirtualTime(clock, consumer.stop());
    });

    it('reads on when a shard is full, however small `maxPending` is', async () => {
      const { consumer, stream, done } = await started(() => false, { maxPending: 5 });
      putAll(stream, 200);
      await clock.advance(120_000);
      expect(done.length).to.equal(200);
      await inVirtualTime(clock, consumer.stop());
    });
  });
}
