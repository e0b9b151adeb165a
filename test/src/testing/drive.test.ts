// A reducer that is driven by hand folds, flushes, fails and loses shards as it does under a consumer.
import { expect } from 'chai';
import { defineReducer, type ItemToken } from '../../../src/api/reducer.js';
import { drive } from '../../../src/testing/drive.js';

const keys = (...names: string[]): { key: string }[] => names.map((key) => ({ key }));
const namesOf = (items: readonly { key: string }[]): string[] => items.map(({ key }) => key);

function collecting(flush?: (state: string[]) => unknown) {
  return defineReducer<string[], unknown>({
    init: () => [],
    reduce: (state, { key }) => {
      if (key === 'bad') throw new Error('bad');
      return [...state, key];
    },
    batch: { size: 3, intervalMs: 500 },
    ...(flush === undefined ? {} : { flush }),
  });
}

describe('drive', () => {
  it('folds items into the state and acknowledges each', async () => {
    const driver = drive(collecting());
    await driver.items(keys('a', 'b'));
    await driver.items(keys('c'));
    expect(driver.state).to.deep.equal(['a', 'b', 'c']);
    expect(namesOf(driver.acknowledged)).to.deep.equal(['a', 'b', 'c']);
    expect(driver.failed).to.equal(undefined);
  });

  it('flushes a full batch, after its interval, and when asked to, and acknowledges items at the flush', async () => {
    const flushed: string[][] = [];
    const driver = drive(collecting((state) => (flushed.push(state), [])));
    await driver.items(keys('a', 'b', 'c', 'd'));
    expect(flushed).to.deep.equal([['a', 'b', 'c']]);
    expect(namesOf(driver.acknowledged)).to.deep.equal(['a', 'b', 'c']);
    await driver.advance(499);
    expect(flushed).to.have.length(1);
    await driver.advance(1);
    expect(flushed.at(-1)).to.deep.equal(['d']);
    for (const ask of [() => driver.flush(), () => driver.drain()]) {
      await driver.items(keys('e'));
      await ask();
      expect(flushed.at(-1)).to.deep.equal(['e']);
    }
    expect(driver.acknowledged).to.have.length(6);
  });

  it('waits for asynchronous calls, even if they wait for real timers', async () => {
    const driver = drive(
      defineReducer<string[], unknown>({
        init: () => [],
        reduce: async (state, { key }) => {
          await new Promise((resolve) => setTimeout(resolve, 2));
          return [...state, key];
        },
      }),
    );
    await driver.items(keys('a', 'b'));
    expect(driver.state).to.deep.equal(['a', 'b']);
  });

  it('fails with PROCESSING_FAILED under the policy crash, and processes nothing more', async () => {
    const driver = drive(collecting(), { onFailure: 'crash' });
    await driver.items([{ key: 'a' }, { key: 'bad', sequenceNumber: '77' }, { key: 'c' }]);
    expect(driver.failed).to.include({ code: 'PROCESSING_FAILED' });
    expect((driver.failed as any).data).to.deep.include({ sequenceNumber: '77', key: 'bad' });
    await driver.items(keys('d'));
    expect(namesOf(driver.acknowledged)).to.not.include('d');
    expect(driver.state).to.deep.equal(['a']);
  });

  it('lists skipped items apart from acknowledged ones under the policy skip', async () => {
    const driver = drive(collecting(), { onFailure: 'skip' });
    await driver.items(keys('a', 'bad', 'c'));
    expect(namesOf(driver.acknowledged)).to.deep.equal(['a', 'c']);
    expect(namesOf(driver.skipped)).to.deep.equal(['bad']);
    expect(driver.counts).to.deep.equal({ skippedItems: 1 });
    expect(driver.events.map(({ name }) => name)).to.deep.equal(['recordSkipped']);
  });

  it('names the shards that the policy stopShard has stopped', async () => {
    const driver = drive(collecting(), { onFailure: 'stopShard' });
    await driver.items([
      { key: 'a', shardId: 'one' },
      { key: 'bad', shardId: 'two' },
      { key: 'c', shardId: 'two' },
    ]);
    expect(driver.stopped).to.deep.equal(['two']);
    expect(namesOf(driver.acknowledged)).to.deep.equal(['a']);
  });

  it('revokes a shard: drops its state, ignores its acknowledgements, and later gives it a higher fence', async () => {
    const tokens: ItemToken[] = [];
    const fences: number[] = [];
    const aborted: boolean[] = [];
    let ack: (token: ItemToken) => void = () => undefined;
    const driver = drive(
      defineReducer<string[], unknown>({
        init: () => [],
        acknowledge: 'manual',
        stateBy: 'shard',
        reduce: (state, item, ctx) => {
          tokens.push(item.token);
          fences.push(item.fence);
          item.signal.addEventListener('abort', () => aborted.push(true));
          ack = (token) => ctx.ack(token);
          return [...state, item.key];
        },
      }),
    );
    await driver.items([
      { key: 'a', shardId: 'one' },
      { key: 'b', shardId: 'two' },
    ]);
    expect(driver.state).to.deep.equal(
      new Map([
        ['one', ['a']],
        ['two', ['b']],
      ]),
    );
    await driver.revoke('one');
    const refused = await driver.revoke('never seen').catch((error: unknown) => error);
    expect(refused).to.include({ code: 'INVALID_OPTION' });
    for (const token of tokens) ack(token);
    await driver.advance(0);
    expect(namesOf(driver.acknowledged)).to.deep.equal(['b']);
    expect(driver.counts).to.deep.equal({ foldedAfterLoss: 1, strayAcknowledgements: 1 });
    expect(aborted).to.deep.equal([true]);
    await driver.items([{ key: 'c', shardId: 'one' }]);
    expect(driver.state).to.deep.equal(
      new Map([
        ['two', ['b']],
        ['one', ['c']],
      ]),
    );
    expect(fences[2]).to.be.greaterThan(fences[0]!);
  });

  it('gives flush the fences under the names that a consumer gives them', async () => {
    const fences: unknown[] = [];
    const driver = drive(
      defineReducer<number, unknown>({
        init: () => 0,
        reduce: (n) => n + 1,
        flush: (_, ctx) => void fences.push([...ctx.fences]),
      }),
    );
    await driver.items([{ key: 'a', shardId: 'one' }]);
    await driver.flush();
    expect(fences).to.deep.equal([[['driven/one', 1]]]);
  });

  it('gives a raw behaviour every message, heartbeats included, and aborts ctx.signal at a stop', async () => {
    const log: string[] = [];
    let signal: AbortSignal | undefined;
    const driver = drive(
      defineReducer<number>({
        init: () => 0,
        behaviour: (n, message, ctx) => {
          log.push(message.type);
          signal = ctx.signal;
          return n + 1;
        },
      }),
      { flushIntervalMs: 100 },
    );
    await driver.advance(250);
    await driver.items(keys('a'));
    await driver.flush();
    await driver.drain();
    await driver.revoke('shard');
    await driver.advance(50);
    expect(log).to.deep.equal(['heartbeat', 'heartbeat', 'items', 'flush', 'drain', 'revoked', 'heartbeat']);
    expect(driver.state).to.equal(7);
    expect(signal?.aborted).to.equal(false);
    driver.stop();
    expect(signal?.aborted).to.equal(true);
  });

  it('calls `process` with batches, and bisects one that fails', async () => {
    const calls: string[] = [];
    const driver = drive(
      defineReducer<unknown>({
        batch: { size: 3, intervalMs: 500 },
        process: (items) => {
          calls.push(namesOf(items).join(''));
          if (items.some(({ key }) => key === 'x')) throw new Error('bad');
        },
      }),
      { onFailure: 'skip' },
    );
    await driver.items(keys('a', 'x', 'b', 'c'));
    await driver.advance(500);
    expect(calls).to.deep.equal(['axb', 'ax', 'a', 'x', 'b', 'c']);
    expect(namesOf(driver.acknowledged)).to.deep.equal(['a', 'b', 'c']);
    expect(namesOf(driver.skipped)).to.deep.equal(['x']);
    expect(driver.state).to.equal(undefined);
  });

  it('calls `process` for one item at a time by default if there is `concurrency`', async () => {
    const calls: string[] = [];
    const process = (items: readonly { key: string }[]): void => void calls.push(namesOf(items).join(''));
    const driver = drive(defineReducer<unknown>({ concurrency: 2, process }));
    await driver.items(keys('a', 'b', 'a'));
    expect(calls).to.deep.equal(['a', 'b', 'a']);
    expect(driver.acknowledged).to.have.length(3);
  });

  it('throws what init throws', () => {
    const definition = defineReducer({
      init: (): number => {
        throw new Error('no state');
      },
      reduce: (n: number) => n,
    });
    expect(() => drive(definition)).to.throw('no state');
  });

  it('passes on the place, the value and opaque of an item unchanged', async () => {
    let seen: object = {};
    const driver = drive(
      defineReducer<number, string>({
        init: () => 0,
        reduce: (n, { key, value, shardId, sequenceNumber, subSequenceNumber, opaque, token }) => {
          seen = { key, value, shardId, sequenceNumber, subSequenceNumber, opaque, id: token.idempotencyKey };
          return n;
        },
      }),
    );
    const item = { key: 'k', value: 'v', shardId: 's', sequenceNumber: '9', subSequenceNumber: 2, opaque: 'o' };
    await driver.items([item]);
    expect(seen).to.deep.equal({ ...item, id: 'driven@1/s/9/2/0' });
    expect(driver.acknowledged[0]).to.equal(item);
  });

  it('lists what a reducer emits when its calls have succeeded, and acknowledges with it', async () => {
    const driver = drive(
      {
        init: () => 0,
        reduce: (sum, { value }, { emit }) => {
          emit(`item ${value.toString()}`);
          if (value.toString() === 'bad') throw new Error('no');
          return sum + 1;
        },
        batch: { size: 100 },
        flush: (sum, { emit }) => {
          emit(`sum ${sum}`);
          return 0;
        },
      },
      { onFailure: 'skip' },
    );
    await driver.items(['a', 'bad', 'b'].map((data) => ({ key: data, value: Buffer.from(data) })));
    expect(driver.emitted).to.deep.equal(['item a', 'item b']);
    expect(driver.acknowledged).to.deep.equal([]);
    await driver.flush();
    expect(driver.emitted).to.deep.equal(['item a', 'item b', 'sum 2']);
    expect(driver.acknowledged.map(({ key }) => key)).to.deep.equal(['a', 'b']);
    expect(driver.skipped.map(({ key }) => key)).to.deep.equal(['bad']);
  });
});
