// A pipe that is driven by hand settles, holds, flushes, fails and loses shards as it does under a consumer.
import { expect } from 'chai';
import { park } from '../../../src/options/park-policy.js';
import { retry } from '../../../src/options/retry-policy.js';
import { defineNode } from '../../../src/pipes/define-node.js';
import { json } from '../../../src/pipes/json.js';
import { pipe } from '../../../src/pipes/pipe.js';
import { drivePipe } from '../../../src/testing/drive-pipe.js';
import { gate } from '../../support/gate.js';

const values = (...given: unknown[]): { key: string; value: unknown }[] => given.map((value) => ({ key: 'k', value }));
const valuesOf = (items: readonly { value?: unknown }[]): unknown[] => items.map(({ value }) => value);

/** A pipe of pairs, and what its sink has got. */
function pairs(options: { readonly intervalMs?: number } = {}) {
  const sent: (readonly string[])[] = [];
  return {
    sent,
    definition: pipe<string>()
      .aggregate({ count: 2, ...options })
      .to((pair) => sent.push(pair)),
  };
}

/** Fails on the value `bad` until `heal` is called. */
function ailing() {
  let isIll = true;
  const calls: unknown[] = [];
  const definition = pipe<string>().to((value) => {
    calls.push(value);
    if (isIll && value === 'bad') throw new Error('no');
  });
  return { calls, definition, heal: () => (isIll = false) };
}

describe('drivePipe', () => {
  it('settles an item when its last output is done, and shows what an aggregate holds', async () => {
    const { sent, definition } = pairs();
    const driver = drivePipe(definition);
    await driver.items(values('a', 'b', 'c'));
    expect(sent).to.deep.equal([['a', 'b']]);
    expect(valuesOf(driver.settled)).to.deep.equal(['a', 'b']);
    expect(valuesOf(driver.open)).to.deep.equal(['c']);
    const [aggregate, sink] = driver.status();
    expect(aggregate).to.deep.include({ node: 'aggregate/0', state: 'ready', queued: 0 });
    expect(aggregate?.oldest).to.deep.include({ shardId: 'shard', sequenceNumber: '3', forMs: 0 });
    expect(sink).to.not.have.property('oldest');
    expect(driver.failed).to.equal(undefined);
  });

  it('sends a flush through the pipe, and so does a drain', async () => {
    const { sent, definition } = pairs();
    const driver = drivePipe(definition);
    for (const [at, ask] of [() => driver.flush(), () => driver.drain()].entries()) {
      await driver.items(values('a'));
      await ask();
      expect(sent).to.have.length(at + 1);
    }
    expect(driver.open).to.deep.equal([]);
    expect(driver.counts).to.deep.include({ partialAggregates: 2 });
  });

  it('lets timers of nodes fire to the millisecond, and those of the calls they lead to', async () => {
    const { sent, definition } = pairs({ intervalMs: 500 });
    const driver = drivePipe(definition);
    await driver.items(values('a'));
    await driver.advance(499);
    expect(driver.status()[0]?.oldest?.forMs).to.equal(499);
    expect(sent).to.deep.equal([]);
    await driver.advance(1);
    expect(sent).to.deep.equal([['a']]);
    expect(valuesOf(driver.settled)).to.deep.equal(['a']);
  });

  it('waits for calls that wait for real timers, and gives them no virtual time', async () => {
    const nows: number[] = [];
    const node = defineNode<undefined, string, string>({
      handleMessage: async (_, message, { now }) => {
        nows.push(now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        return { outputs: [{ value: message.value, of: [message] }] };
      },
    });
    const driver = drivePipe(pipe<string>().node(node).end());
    await driver.items(values('a', 'b'));
    expect(valuesOf(driver.settled)).to.deep.equal(['a', 'b']);
    expect(new Set(nows)).to.have.property('size', 1);
  });

  it('hands out bytes as a Buffer, in an item with a fence', async () => {
    const seen: unknown[] = [];
    const driver = drivePipe(pipe().to((value, message) => seen.push(value, message.item?.fence)));
    await driver.items([{ key: 'k', value: new Uint8Array([1, 2]) }]);
    expect(seen).to.deep.equal([Buffer.from([1, 2]), 1]);
  });

  it('holds the pipe while a failed call waits, and repeats it after the longest delay, or at a drain', async () => {
    const { calls, definition, heal } = ailing();
    const driver = drivePipe(definition, { onFailure: retry({ minMs: 100, maxMs: 100 }) });
    await driver.items(values('bad', 'b'));
    expect(driver.status()[0]).to.deep.include({ state: 'waiting', waiting: 2 });
    expect(driver.status()[0]?.failing).to.deep.equal({ attempts: 1, forMs: 0, error: 'no' });
    await driver.advance(99);
    expect(calls).to.deep.equal(['bad']);
    await driver.advance(1);
    expect(calls).to.deep.equal(['bad', 'bad']);
    heal();
    await driver.drain();
    expect(calls).to.deep.equal(['bad', 'bad', 'bad', 'b']);
    expect(driver.events.map(({ name }) => name)).to.deep.equal(['itemRetrying', 'itemRetrying', 'itemRecovered']);
    expect(valuesOf(driver.settled)).to.deep.equal(['bad', 'b']);
  });

  it('makes each call of a long advance at its time, however many nodes lead to it', async () => {
    const nows: number[] = [];
    const failing = defineNode<undefined, readonly string[], never>({
      handleMessage: (_, __, { now }) => {
        nows.push(now);
        throw new Error('no');
      },
    });
    const definition = pipe<string>()
      .aggregate({ count: 2, intervalMs: 500 })
      .map((pair) => pair)
      .map((pair) => pair)
      .node(failing)
      .end();
    const driver = drivePipe(definition, { onFailure: retry({ minMs: 100, maxMs: 100 }) });
    await driver.items(values('a'));
    await driver.advance(1_000);
    expect(nows.map((now) => now - Date.UTC(2026, 0, 1))).to.deep.equal([500, 600, 700, 800, 900, 1_000]);
  });

  it('lists skipped and parked items', async () => {
    const skipping = drivePipe(ailing().definition, { onFailure: 'skip' });
    await skipping.items(values('a', 'bad', 'c'));
    expect(valuesOf(skipping.skipped)).to.deep.equal(['bad']);
    expect(valuesOf(skipping.settled)).to.deep.equal(['a', 'bad', 'c']);
    expect(skipping.counts).to.deep.include({ skippedItems: 1 });

    const onFailure = park(async () => undefined);
    expect(() => drivePipe(ailing().definition, { onFailure })).to.throw('onFailure: park needs to know');
    const parking = drivePipe({ ...ailing().definition, format: json }, { onFailure });
    await parking.items([...values('a'), { key: 'k', value: 'bad', sequenceNumber: '77', subSequenceNumber: 3 }]);
    expect(valuesOf(parking.parked)).to.deep.equal(['bad']);
    expect(parking.open).to.deep.equal([]);
  });

  it('ends with the true reason under the policy crash, and does nothing more', async () => {
    const { calls, definition } = ailing();
    const driver = drivePipe(definition, { onFailure: 'crash' });
    await driver.items(values('a', 'bad', 'c'));
    expect(driver.failed).to.include({ code: 'PROCESSING_FAILED' });
    expect(driver.failed?.cause).to.include({ message: 'no' });
    await driver.items(values('d'));
    expect(calls).to.deep.equal(['a', 'bad']);
    expect(valuesOf(driver.open)).to.deep.equal(['bad', 'c', 'd']);
    expect(driver.status()).to.deep.equal([]);
  });

  it('ends with the error of a failing init, without another call', async () => {
    const node = defineNode<undefined, string, never>({
      init: () => Promise.reject(new Error('no table')),
      handleMessage: () => expect.fail('called'),
    });
    const driver = drivePipe(pipe<string>().node(node).end());
    await driver.items(values('a'));
    expect(driver.failed).to.include({ message: 'no table' });
  });

  it('ends with an error that looks like a promise', async () => {
    let asked = 0;
    const error = Object.defineProperty(new Error('no table'), 'then', { get: () => (asked += 1) });
    const node = defineNode<undefined, string, never>({
      init: () => {
        throw error;
      },
      handleMessage: () => expect.fail('called'),
    });
    const driver = drivePipe(pipe<string>().node(node).end());
    await driver.items(values('a'));
    expect([driver.failed, asked]).to.deep.equal([error, 0]);
  });

  it('names the shards that the policy stopShard has stopped', async () => {
    const driver = drivePipe(ailing().definition, { onFailure: 'stopShard' });
    await driver.items([
      { key: 'k', value: 'a', shardId: 'one' },
      { key: 'k', value: 'bad', shardId: 'two' },
      { key: 'k', value: 'c', shardId: 'two' },
    ]);
    expect(driver.stopped).to.deep.equal(['two']);
    expect(valuesOf(driver.settled)).to.deep.equal(['a']);
    expect(driver.open).to.deep.equal([]);
  });

  it('revokes a shard: what an aggregate holds of it goes, and later it gets a higher fence', async () => {
    const { sent, definition } = pairs();
    const driver = drivePipe(definition);
    await driver.items([{ key: 'k', value: 'a', shardId: 'one' }]);
    await driver.revoke('one');
    expect(driver.open).to.deep.equal([]);
    await driver.items([
      { key: 'k', value: 'b', shardId: 'one' },
      { key: 'k', value: 'c', shardId: 'two' },
    ]);
    expect(sent).to.deep.equal([['b', 'c']]);
    expect(valuesOf(driver.settled)).to.deep.equal(['b', 'c']);
    await expectRefusal(() => driver.revoke('three'));
  });

  it('lets a call pass its deadline, after which its signal aborts, and the pipe ends if it goes on', async () => {
    const reasons: unknown[] = [];
    const held = gate();
    const node = defineNode<undefined, string, never>({
      timeoutMs: 2_000,
      handleMessage: async (_, message, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason.name));
        await held.opened;
        return { drop: [message] };
      },
    });
    const driver = drivePipe(pipe<string>().node(node).end(), { callDeadlineMs: 5_000 });
    const sent = driver.items(values('a'));
    await driver.advance(1_999);
    expect(driver.status()[0]).to.deep.include({ state: 'working' });
    expect(reasons).to.deep.equal([]);
    await driver.advance(1);
    expect(reasons).to.deep.equal(['TimeoutError']);
    await driver.advance(4_999);
    expect(driver.events.map(({ name }) => name)).to.deep.equal([]);
    await driver.advance(5_001);
    expect(driver.events.map(({ name }) => name)).to.include.members(['actorCrashed', 'orphaned']);
    expect(driver.failed).to.include({ code: 'PROCESSING_FAILED' });
    await sent;
    held.open();
  });

  it('stops at once: aborts a call, waits for it, and ends each state', async () => {
    const seen: string[] = [];
    const node = defineNode<undefined, string, never>({
      handleMessage: (_, __, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => (seen.push('aborted'), reject(new Error('aborted'))));
        }),
      terminate: () => seen.push('terminated'),
    });
    const driver = drivePipe(pipe<string>().node(node).end());
    void driver.items(values('a'));
    await driver.advance(0);
    await driver.stop();
    expect(seen).to.deep.equal(['aborted', 'terminated']);
    expect(driver.failed).to.equal(undefined);
    expect(driver.status()).to.deep.equal([]);
    expect(valuesOf(driver.open)).to.deep.equal(['a']);
  });

  it('refuses what is no pipe, an unknown option, and malformed items', async () => {
    for (const call of [
      () => drivePipe(undefined as never),
      () => drivePipe({ nodes: [] }),
      () => drivePipe(pipe<string>().map((value) => value) as never),
      () => drivePipe(pairs().definition, { onfailure: 'skip' } as never),
    ])
      expect(call).to.throw().with.property('code', 'INVALID_OPTION');
    const driver = drivePipe(pairs().definition);
    await expectRefusal(() => driver.items([{}] as never));
    await expectRefusal(() => driver.advance(-1));
  });
});

async function expectRefusal(call: () => Promise<void>): Promise<void> {
  const error: unknown = await call().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).to.include({ code: 'INVALID_OPTION' });
}
