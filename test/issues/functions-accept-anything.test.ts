// Symptom: the small functions accepted whatever users passed to them. `stop({ deadlineMs: '5000' })` never ended; an async
// listener that failed ended the process; `expectNothingLost([], seen)` passed; a misspelt effect in a nemesis waited forever.
// Rule: each function refuses a wrong argument with INVALID_OPTION.
import { expect } from 'chai';
import { createConsumer, defineReducer, runUntilSignal, type Consumer, type ConsumerOptions } from '../../src/index.js';
import {
  drive,
  expectNothingLost,
  fakeStream,
  ManualClock,
  nemesis,
  scriptedServer,
  startLocalServers,
} from '../../src/testing/index.js';
import { inVirtualTime } from '../support/virtual.js';

const reducer = defineReducer({ init: () => 0, reduce: (n: number) => n + 1 });
const consumerOf = (options: Partial<ConsumerOptions> = {}): Consumer =>
  createConsumer({
    logger: false,
    application: 'orders',
    source: fakeStream().source,
    reducer,
    reducers: 1,
    ...options,
  });
const none = 'none' as never;

/** What a call throws, or rejects with. */
async function refusal(
  call: () => unknown,
): Promise<{ readonly code: string; readonly message: string; option: string }> {
  try {
    await call();
  } catch (error) {
    const { code, message, data } = error as { code: string; message: string; data?: { option?: string } };
    return { code, message, option: data?.option ?? '' };
  }
  throw new Error(`nothing is refused by ${String(call)}`);
}

const laws: Readonly<Record<string, readonly (readonly [string, () => unknown])[]>> = {
  'a consumer': [
    ['deadlineMs', () => consumerOf().stop({ deadlineMs: '5000' as never })],
    ['deadlineMs', () => consumerOf().stop({ deadlineMs: -1 })],
    ['deadlineMs', () => consumerOf().stop({ deadlineMs: Number.NaN })],
    ['deadline', () => consumerOf().stop({ deadline: 5_000 } as never)],
    ['options', () => consumerOf().stop(5_000 as never)],
    ['event', () => consumerOf().on('leaseLoss' as never, () => {})],
    ['listener', () => consumerOf().on('leaseLost', none)],
    ['consumer', () => runUntilSignal(none)],
    ['signals', () => runUntilSignal(consumerOf(), { signals: ['SIGTREM' as never] })],
    ['signals', () => runUntilSignal(consumerOf(), { signals: [] })],
    ['deadlineMs', () => runUntilSignal(consumerOf(), { deadlineMs: '5' as never })],
  ],
  expectNothingLost: [
    ['input', () => expectNothingLost([], ['a'])],
    ['input', () => expectNothingLost(['a', 'b', 'a'], ['a', 'b'])],
    ['input', () => expectNothingLost('ab', ['a', 'b'])],
    ['input', () => expectNothingLost([1 as never], ['1'])],
    ['input', () => expectNothingLost(undefined as never, [])],
    ['seen', () => expectNothingLost(['a'], 'a')],
    ['seen', () => expectNothingLost(['a'], {} as never)],
  ],
  ManualClock: [
    ['now', () => new ManualClock({ now: Number.NaN })],
    ['wall', () => new ManualClock({ wall: 0 } as never)],
    ['restlessAfter', () => new ManualClock({ restlessAfter: 0 })],
    ['ms', () => new ManualClock().advance('5' as never)],
    ['ms', () => new ManualClock().advance(-1)],
    ['ms', () => new ManualClock().advance(Infinity)],
    ['condition', () => new ManualClock().advanceUntil(true as never, 5)],
    ['ms', () => new ManualClock().after(Number.NaN, () => {})],
    ['callback', () => new ManualClock().after(5, undefined as never)],
    ['ms', () => new ManualClock().jumpWall('5' as never)],
  ],
  drive: [
    ['definition', () => drive(none)],
    ['onFailure', () => drive(reducer, { onFailure: 'skpi' as never })],
    ['flushIntervalMs', () => drive(reducer, { flushIntervalMs: 0 })],
    ['flushInterval', () => drive(reducer, { flushInterval: 5 } as never)],
    ['items', () => drive(reducer).items({ key: 'a' } as never)],
    ['items[1].key', () => drive(reducer).items([{ key: 'a' }, {} as never])],
    ['items[0].shard', () => drive(reducer).items([{ key: 'a', shard: 'b' } as never])],
    ['ms', () => drive(reducer).advance('5' as never)],
    ['shardId', () => drive(reducer).revoke('nobody')],
  ],
  fakeStream: [
    ['shards', () => fakeStream({ shards: 0 })],
    ['shard', () => fakeStream({ shard: 2 } as never)],
    ['distribution', () => fakeStream({ distribution: none })],
    ['clock', () => fakeStream({ clock: {} as never })],
    ['initialPosition', () => fakeStream({ initialPosition: none })],
    ['records[0].data', () => fakeStream().put({ partitionKey: 'a', data: 5 as never })],
    ['records[0].key', () => fakeStream().put({ key: 'a', partitionKey: 'a', data: 'x' } as never)],
    ['count', () => fakeStream().trim('shardId-000000000000', -1)],
    ['times', () => fakeStream().failReads('shardId-000000000000', new Error('x'), '2' as never)],
    ['distribution', () => fakeStream().setDistribution(none)],
  ],
  'local servers': [
    ['createMs', () => startLocalServers({ createMs: '5' as never })],
    ['shardLimits', () => startLocalServers({ shardLimits: 5 } as never)],
    ['hangLimitMs', () => scriptedServer({ hangLimitMs: -1 })],
    ['proxy.upstream', () => scriptedServer({ proxy: { upstream: 'nowhere' } })],
    ['proxy.service', () => scriptedServer({ proxy: { upstream: 'http://127.0.0.1:1', service: [] } as never })],
  ],
};

describe('the small functions of the API', () => {
  for (const [whose, calls] of Object.entries(laws)) {
    it(`refuse each wrong argument with path, expected and got (${whose})`, async () => {
      for (const [path, call] of calls) {
        const { code, message, option } = await refusal(call);
        expect({ code, option }, `${String(call)}: ${message}`).to.deep.equal({ code: 'INVALID_OPTION', option: path });
        expect(message).to.match(/expected|no such/);
      }
    });
  }

  it('refuse orders to a scripted server that can answer nothing', async () => {
    await using server = await scriptedServer();
    for (const [path, call] of [
      ['operation', () => server.respond('getRecords', 1, { type: 'hang' })],
      ['times', () => server.respond('GetRecords', -1, { type: 'hang' })],
      ['times', () => server.respond('GetRecords', '2' as never, { type: 'hang' })],
      ['answer.type', () => server.respond('GetRecords', 1, { type: 'hangs' } as never)],
      ['when', () => server.respond('GetRecords', 1, { type: 'hang' }, {} as never)],
      ['operation', () => server.called('get records', 1)],
      ['count', () => server.called('GetRecords', Number.NaN)],
      ['date', () => server.setDate('today' as never)],
    ] as const) {
      expect(await refusal(call), String(call)).to.include({ code: 'INVALID_OPTION', option: path });
    }
  });

  it('refuse unknown names and wrong options of a nemesis at once', async () => {
    const clock = new ManualClock();
    clock.install();
    const consumer = consumerOf({ runtime: { clock, timers: clock } });
    using chaos = nemesis(consumer, { seed: 1 });
    await inVirtualTime(clock, consumer.start());
    for (const [path, call] of [
      ['seed', () => nemesis(consumer, {} as never)],
      ['sed', () => nemesis(consumer, { seed: 1, sed: 2 } as never)],
      ['consumer', () => nemesis(none, { seed: 1 })],
      ['moment.at', () => chaos.kill('reducer', { at: 'item' })],
      ['moment.at', () => chaos.kill('lease-keeper', { at: 'items' })],
      ['moment.at', () => chaos.kill('reducer/0', { at: 'itmes' })],
      ['moment.effect', () => chaos.kill('reducer', { effect: 'redcue' })],
      ['moment.effect', () => chaos.kill('stage', { effect: 'reduce' })],
      ['moment.when', () => chaos.kill('reducer', { at: 'items', when: 'during' as never })],
      ['moment.when', () => chaos.kill('reducer', { effect: 'reduce', when: 'now' as never })],
      ['moment.effect', () => chaos.kill('reducer', { effect: 5 as never })],
      ['moment', () => chaos.kill('reducer', 'items' as never)],
      ['target', () => chaos.kill(5 as never)],
      ['kinds', () => chaos.killRandom({ kinds: [] })],
      ['kind', () => chaos.killRandom({ kind: ['stage'] } as never)],
      ['sec', () => chaos.pause('reducer', { sec: 5 } as never)],
      ['ms', () => chaos.delay({ to: 'reducer', ms: '5' as never })],
      ['type', () => chaos.delay({ to: 'reducer', type: 'itmes', ms: 5 })],
      ['type', () => chaos.delay({ type: 'itmes', ms: 5 })],
      ['kind', () => chaos.duplicate({ kind: 'reducer' } as never)],
      ['type', () => chaos.duplicate({ to: 'stage', type: 'items' })],
      ['probability', () => chaos.duplicate({ probability: '1' as never })],
      ['effect', () => chaos.hang('reducer', 'redcue')],
      ['when', () => chaos.hang('reducer', 'reduce', { when: 'during' as never })],
      ['effect', () => chaos.failNext('lease-keeper', 'reduce')],
      ['everyMs', () => chaos.start({ everyMs: Infinity })],
      ['every', () => chaos.start({ every: 5 } as never)],
    ] as const) {
      expect(await refusal(call), String(call)).to.include({ code: 'INVALID_OPTION', option: path });
    }
    chaos.delay({ type: 'items', ms: 5 });
    chaos.failNext('lease-keeper', 'renew#3');
    void chaos.kill('lease-coordinator', { effect: 'parents', when: 'before' });
    chaos.heal();
    await inVirtualTime(clock, consumer.stop());
    clock.uninstall();
  });

  it('leave the consumer unchanged after a refused stop(), and the next stop() stops it', async () => {
    const clock = new ManualClock();
    clock.install();
    const consumer = consumerOf({ runtime: { clock, timers: clock } });
    await inVirtualTime(clock, consumer.start());
    expect(await refusal(() => consumer.stop({ deadlineMs: '5000' as never }))).to.include({ option: 'deadlineMs' });
    expect(consumer.status().state).to.equal('running');
    expect((await inVirtualTime(clock, consumer.stop({ deadlineMs: 5_000 }))).drained).to.equal(true);
    expect(consumer.stop()).to.equal(consumer.stop());
    clock.uninstall();
  });

  it('count rejections of a listener, a logger, a meter and onCheckpoint, which harm nothing', async () => {
    const clock = new ManualClock();
    clock.install();
    const stream = fakeStream({ clock });
    const rejects = async (): Promise<void> => {
      await Promise.resolve();
      throw new Error('mine');
    };
    const lines: string[] = [];
    // An application in JavaScript may pass async functions, although the types say that nothing awaits them.
    const mute = rejects as unknown as () => void;
    const error = (_fields: object, message: string): void => (lines.push(message), mute());
    const consumer = consumerOf({
      source: stream.source,
      runtime: { clock, timers: clock },
      logger: { debug: mute, info: mute, warn: mute, error },
      meter: { count: mute, gauge: mute },
      onCheckpoint: rejects,
    });
    consumer.on('checkpoint', rejects);
    await inVirtualTime(clock, consumer.start());
    stream.put({ partitionKey: 'a', data: 'x' });
    await clock.advance(30_000);
    expect((await inVirtualTime(clock, consumer.stop())).drained).to.equal(true);
    const { counters } = consumer.status();
    for (const name of ['listenerFailures', 'loggerFailures', 'meterFailures', 'onCheckpointFailed']) {
      expect(counters[name], name).to.be.above(0);
    }
    expect(lines).to.include('a listener of checkpoint threw: mine');
    clock.uninstall();
  });
});
