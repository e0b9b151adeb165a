// A reducer under `retry`: what an item that has failed holds, when it comes again, and what ends its wait.
import { expect } from 'chai';
import type { FailedItem } from '../../../src/api/failed-item.js';
import { NonRetryableError, type OnFailure } from '../../../src/api/failure-policy.js';
import { defineReducer, type Item, type ReducerContext, type ItemToken } from '../../../src/api/reducer.js';
import { retry } from '../../../src/options/retry-policy.js';
import { drive, type Driver } from '../../../src/testing/drive.js';
import type { DrivenItem } from '../../../src/testing/driven-items.js';

const items = (...names: string[]): DrivenItem[] => names.map((name) => ({ key: name[0]!, value: name }));
const valuesOf = (some: readonly DrivenItem[]): unknown[] => some.map(({ value }) => value);
const eventsOf = ({ events }: Driver, name: string): any[] =>
  events.filter((event) => event.name === name).map(({ data }) => data);

/** A reducer whose calls fail while `fails` says so, and the values and attempts of its calls. */
function failing(fails: (value: string, attempt: number) => boolean, onFailure: OnFailure = retry()) {
  const calls: string[] = [];
  const definition = defineReducer<number, string>({
    init: () => 0,
    reduce: (count, { value, attempt }) => {
      calls.push(attempt === 1 ? value : `${value}×${attempt}`);
      if (fails(value, attempt)) throw new Error(`no ${value}`);
      return count + 1;
    },
  });
  return { calls, driver: drive(definition, { onFailure }) };
}

describe('an item that waits for another attempt', () => {
  it('holds the later items of its key, and other keys go on', async () => {
    const { calls, driver } = failing((value, attempt) => value === 'a1' && attempt < 3);
    await driver.items(items('a1', 'b1', 'a2', 'b2'));
    await driver.items(items('a3', 'c1'));
    expect(calls).to.deep.equal(['a1', 'b1', 'b2', 'c1']);
    await driver.advance(199);
    expect(calls).to.have.length(4);
    await driver.advance(1);
    expect(calls.slice(4)).to.deep.equal(['a1×2']);
    await driver.advance(400);
    expect(calls.slice(5)).to.deep.equal(['a1×3', 'a2', 'a3']);
    expect(valuesOf(driver.acknowledged)).to.deep.equal(['b1', 'b2', 'c1', 'a1', 'a2', 'a3']);
  });

  it('is reported at the first, second, fourth and eighth failure, and when it has recovered', async () => {
    const { driver } = failing((_, attempt) => attempt < 10, retry({ maxMs: 1_000 }));
    await driver.items(items('a1'));
    await driver.advance(60_000);
    const retrying = eventsOf(driver, 'itemRetrying');
    expect(retrying.map(({ attempt }) => attempt)).to.deep.equal([1, 2, 4, 8]);
    expect(retrying.map(({ delayMs }) => delayMs)).to.deep.equal([200, 400, 1_000, 1_000]);
    expect(retrying[0]).to.include({ shardId: 'shard', sequenceNumber: '1', key: 'a', at: 'reduce', items: 1 });
    expect(eventsOf(driver, 'itemRecovered')).to.have.length(1);
    expect(eventsOf(driver, 'itemRecovered')[0]).to.include({ key: 'a', attempts: 10, forMs: 7_400 });
  });

  for (const then of ['skip', 'crash', 'stopShard'] as const) {
    it(`ends by ${then} after its last attempt`, async () => {
      const { calls, driver } = failing((value) => value === 'a1', retry({ attempts: 2, then }));
      await driver.items(items('a1', 'a2'));
      await driver.advance(200);
      expect(calls).to.deep.equal(then === 'skip' ? ['a1', 'a1×2', 'a2'] : ['a1', 'a1×2']);
      expect(valuesOf(driver.skipped)).to.deep.equal(then === 'skip' ? ['a1'] : []);
      expect(driver.stopped).to.deep.equal(then === 'stopShard' ? ['shard'] : []);
      expect(driver.failed === undefined).to.equal(then !== 'crash');
    });
  }

  it('ends at once at a NonRetryableError', async () => {
    const definition = defineReducer<number, unknown>({
      init: () => 0,
      reduce: () => {
        throw new NonRetryableError('not an order');
      },
    });
    const driver = drive(definition, { onFailure: retry({ then: 'skip' }) });
    await driver.items(items('a1'));
    expect(valuesOf(driver.skipped)).to.deep.equal(['a1']);
  });

  it('is dropped when its lease is lost, and no policy is asked', async () => {
    const asked: FailedItem[] = [];
    const { calls, driver } = failing(
      () => true,
      (_, item) => (asked.push(item), retry()),
    );
    await driver.items([{ key: 'a', value: 'a1', shardId: 'one' }]);
    await driver.items([{ key: 'a', value: 'a2', shardId: 'one' }]);
    await driver.revoke('one');
    await driver.advance(60_000);
    expect(calls).to.deep.equal(['a1']);
    expect(asked).to.have.length(1);
  });

  it('lets an item of another shard behind it go on when its own lease is lost', async () => {
    const { calls, driver } = failing((value) => value === 'a1');
    await driver.items([
      { key: 'a', value: 'a1', shardId: 'one' },
      { key: 'a', value: 'a2', shardId: 'two' },
    ]);
    await driver.revoke('one');
    expect(calls).to.deep.equal(['a1', 'a2']);
    expect(valuesOf(driver.acknowledged)).to.deep.equal(['a2']);
  });
});

describe('a reducer with `flush` under retry', () => {
  function flushing(fails: () => boolean, onFailure: OnFailure = retry()) {
    const flushed: string[] = [];
    const definition = defineReducer<string[], string>({
      init: () => [],
      reduce: (state, { value }) => [...state, value],
      batch: { size: 2 },
      flush: (state, { fences }) => {
        flushed.push(`${state.join()}/${[...fences.keys()].join()}`);
        if (fails()) throw new Error('down');
        return [];
      },
    });
    return { flushed, driver: drive(definition, { onFailure }) };
  }

  it('waits with the same state, and folds nothing until the flush has succeeded', async () => {
    let isDown = true;
    const { flushed, driver } = flushing(() => isDown);
    await driver.items(items('a1', 'b1', 'c1'));
    await driver.items(items('d1'));
    await driver.advance(600);
    expect(flushed).to.deep.equal(['a1,b1/driven/shard', 'a1,b1/driven/shard', 'a1,b1/driven/shard']);
    expect(driver.state).to.deep.equal(['a1', 'b1']);
    expect(driver.acknowledged).to.deep.equal([]);
    isDown = false;
    await driver.advance(800);
    expect(flushed.slice(3)).to.deep.equal(['a1,b1/driven/shard', 'c1,d1/driven/shard']);
    expect(valuesOf(driver.acknowledged)).to.deep.equal(['a1', 'b1', 'c1', 'd1']);
    expect(eventsOf(driver, 'itemRecovered')[0]).to.include({ at: 'flush', items: 2, attempts: 4 });
  });

  it('ends the wait of a flush whose last shard is lost', async () => {
    const { flushed, driver } = flushing(() => true);
    await driver.items(items('a1', 'b1'));
    await driver.revoke('shard');
    await driver.advance(60_000);
    expect(flushed).to.have.length(1);
    expect(driver.state).to.deep.equal([]);
  });

  it('starts the state again after the last attempt', async () => {
    const { driver } = flushing(() => true, retry({ attempts: 2, then: 'skip' }));
    await driver.items(items('a1', 'b1'));
    await driver.advance(200);
    expect(valuesOf(driver.skipped)).to.deep.equal(['a1', 'b1']);
    expect(driver.state).to.deep.equal([]);
  });
});

describe('an outage', () => {
  const keys = (from: number, count: number): DrivenItem[] =>
    Array.from({ length: count }, (_, place) => ({ key: `k${from + place}`, value: `v${from + place}` }));

  it('begins when ten keys fail without a success: one attempt at a time, and all others wait', async () => {
    let isDown = true;
    const { calls, driver } = failing(() => isDown);
    await driver.items(keys(0, 30));
    expect(calls).to.have.length(10);
    expect(eventsOf(driver, 'outageStarted')).to.have.length(1);
    await driver.advance(10_000);
    // Pauses of 200, 400, … ms: 200 + 400 + 800 + 1,600 + 3,200 is the last below 10 s.
    expect(calls.length - 10).to.equal(5);
    expect(new Set(calls.slice(10)).size, 'keys take turns').to.equal(5);
    isDown = false;
    await driver.advance(30_000);
    expect(driver.acknowledged).to.have.length(30);
    expect(eventsOf(driver, 'outageEnded')).to.have.length(1);
    expect(eventsOf(driver, 'outageStarted')).to.have.length(1);
  });

  it('tries new keys in turn with those that have failed', async () => {
    const { calls, driver } = failing((value) => Number(value.slice(1)) < 10);
    await driver.items(keys(0, 12));
    await driver.advance(200);
    expect(calls.slice(10)).to.include.members(['v10', 'v11']);
    expect(valuesOf(driver.acknowledged)).to.deep.equal(['v10', 'v11']);
  });

  it('keeps the order of each key', async () => {
    let isDown = true;
    const seen = new Map<string, string[]>();
    const definition = defineReducer<number, string>({
      init: () => 0,
      reduce: (count, { key, value }) => {
        if (isDown) throw new Error('down');
        seen.set(key, [...(seen.get(key) ?? []), value]);
        return count + 1;
      },
    });
    const driver = drive(definition, { onFailure: retry() });
    for (const round of [1, 2, 3])
      await driver.items(Array.from({ length: 15 }, (_, key) => ({ key: `k${key}`, value: `${round}` })));
    isDown = false;
    await driver.advance(60_000);
    expect([...seen.values()].every((values) => values.join() === '1,2,3')).to.equal(true);
    expect(driver.acknowledged).to.have.length(45);
  });
});

describe('manual acknowledgement under retry', () => {
  it('delivers an item for which ctx.fail was called again, with a higher attempt', async () => {
    const calls: string[] = [];
    const failed: { token: ItemToken; ctx: ReducerContext }[] = [];
    const definition = defineReducer<number, string>({
      init: () => 0,
      acknowledge: 'manual',
      reduce: (count, { value, token, attempt }, ctx) => {
        calls.push(`${value}×${attempt}`);
        if (value === 'a1' && attempt === 1) failed.push({ token, ctx });
        else ctx.ack(token);
        return count;
      },
    });
    const driver = drive(definition, { onFailure: retry() });
    await driver.items(items('a1', 'a2'));
    for (const { token, ctx } of failed) ctx.fail(token, new Error('no'));
    await Promise.resolve();
    await driver.items(items('a3', 'b1'));
    expect(calls).to.deep.equal(['a1×1', 'a2×1', 'b1×1']);
    await driver.advance(200);
    expect(calls.slice(3)).to.deep.equal(['a1×2', 'a3×1']);
    expect(valuesOf(driver.acknowledged)).to.deep.equal(['a2', 'b1', 'a1', 'a3']);
  });
});

describe('an outage under manual acknowledgement', () => {
  it('begins although every call returns, makes one attempt at a time, and ends with the first acknowledgement', async () => {
    let isDown = true;
    let calls = 0;
    const definition = defineReducer<number, string>({
      init: () => 0,
      acknowledge: 'manual',
      reduce: (count, { token }, ctx) => {
        calls += 1;
        if (isDown) ctx.fail(token, new Error('down'));
        else ctx.ack(token);
        return count;
      },
    });
    const driver = drive(definition, { onFailure: retry() });
    await driver.items(Array.from({ length: 30 }, (_, place) => ({ key: `k${place}`, value: `${place}` })));
    expect(eventsOf(driver, 'outageStarted')).to.have.length(1);
    const before = calls;
    await driver.advance(10_000);
    expect(calls - before).to.equal(5);
    isDown = false;
    await driver.advance(60_000);
    expect(driver.acknowledged).to.have.length(30);
    expect(eventsOf(driver, 'outageEnded')).to.have.length(1);
    expect(eventsOf(driver, 'itemRecovered').length).to.be.above(9);
  });
});

describe('a raw behaviour under retry', () => {
  it('gets the items again that it had not acknowledged, one by one and in the order of their keys', async () => {
    const calls: string[] = [];
    let isDown = true;
    const definition = defineReducer<number, string>({
      init: () => 0,
      behaviour: (count, message, ctx) => {
        if (message.type !== 'items') return count;
        calls.push(message.items.map(({ value, attempt }: Item<string>) => `${value}×${attempt}`).join());
        ctx.ack(message.items[0]!.token);
        if (isDown) throw new Error('down');
        for (const { token } of message.items) ctx.ack(token);
        return count + message.items.length;
      },
    });
    const driver = drive(definition, { onFailure: retry() });
    await driver.items(items('a1', 'b1', 'b2'));
    isDown = false;
    await driver.items(items('b3'));
    await driver.advance(200);
    expect(calls).to.deep.equal(['a1×1,b1×1,b2×1', 'b1×2', 'b2×2', 'b3×1']);
    expect(valuesOf(driver.acknowledged)).to.deep.equal(['a1', 'b1', 'b2', 'b3']);
  });

  it('gets another message again that it has failed at, and nothing else until then', async () => {
    const calls: string[] = [];
    let failures = 2;
    const definition = defineReducer<number, string>({
      init: () => 0,
      behaviour: (count, message, ctx) => {
        calls.push(message.type);
        if (message.type === 'items') for (const { token } of message.items) ctx.ack(token);
        if (message.type === 'flush' && (failures -= 1) >= 0) throw new Error('down');
        return count;
      },
    });
    const driver = drive(definition, { onFailure: retry() });
    await driver.flush();
    await driver.items(items('a1'));
    await driver.advance(600);
    expect(calls).to.deep.equal(['flush', 'flush', 'flush', 'items']);
  });
});
