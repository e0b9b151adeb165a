// A reader with enhanced fan-out against drawn faults, in virtual time: subscriptions end, break, stall and are taken over; calls fail or
// hang; its consumer is deregistered; the worker is slow, or holds the reader. Then everything heals. No record is left out, repeated or
// out of order. No answer says that it reached the tip unless every older record has come. KINACT_SEED draws other runs.
import { expect } from 'chai';
import type { ReadResult } from '../../src/api/ports.js';
import { createDice, type Dice } from '../sim/dice.js';
import { consumerName, end, harness, most, shardId, stream, type Harness } from '../support/polling-harness.js';

const runs = Number(process.env['KINACT_RUNS'] ?? 40);
const seed = Number(process.env['KINACT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const operations = [
  ...['SubscribeToShard', 'GetRecords', 'GetShardIterator', 'ListShards'],
  ...['DescribeStreamConsumer', 'RegisterStreamConsumer', 'DescribeStreamSummary'],
];
const refusals = [
  ...['ResourceInUseException', 'LimitExceededException', 'InternalFailureException', 'AccessDeniedException'],
  ...['InvalidArgumentException', 'ResourceNotFoundException', 'ExpiredIteratorException', 'hang'],
];
const inStream = [
  'ResourceInUseException',
  'InternalFailureException',
  'KMSDisabledException',
  'SyntaxError',
  undefined,
];

/** What was put, and when; and what the worker was told, in order. */
interface Story {
  readonly on: Harness;
  readonly dice: Dice;
  readonly put: { readonly key: string; readonly at: number }[];
  readonly lies: string[];
  trimmed: number;
  isSlow: boolean;
  isHeld: boolean;
}

function judge({ put, lies, on }: Story, result: ReadResult): void {
  if (result.type !== 'records' || result.millisBehindLatest !== 0) return;
  const at = result.fetchedAt ?? on.clock.wallNow();
  const older = put.filter((each) => each.at < at).length;
  if (older > on.keys.length) lies.push(`at the tip with ${on.keys.length} of ${older} records, ${at}`);
}

async function work(story: Story): Promise<void> {
  const { on } = story;
  for (;;) {
    if (story.isSlow) await new Promise<void>((resolve) => void on.clock.after(20_000, resolve));
    const result = await on.reader.read(new AbortController().signal);
    on.results.push(result);
    if (result.type !== 'records') return;
    on.keys.push(...[...result.records].map(({ partitionKey = '' }) => partitionKey));
    judge(story, result);
  }
}

const steps: Readonly<Record<string, (story: Story) => void>> = {
  put({ on, dice, put }) {
    for (let times = dice.between(1, 4); times > 0; times -= 1) {
      const key = `k${put.length}`;
      on.put(key);
      put.push({ key, at: on.clock.wallNow() });
    }
  },
  endSubscription({ on, dice }) {
    for (const each of [...on.client.subscriptions.open]) each.end(dice.pick(inStream));
  },
  stall({ on }) {
    for (const each of on.client.subscriptions.open) each.stall();
  },
  takeOver({ on }) {
    const [consumer] = on.client.subscriptions.consumers.values();
    if (consumer === undefined) return;
    const input = { ConsumerARN: consumer.arn, ShardId: shardId, StartingPosition: { Type: 'LATEST' } };
    try {
      on.client.subscriptions.handle('SubscribeToShard', input, undefined);
    } catch {
      // It is refused now and then.
    }
  },
  deregister({ on }) {
    on.client.subscriptions.consumers.clear();
  },
  fail({ on, dice }) {
    const failing = new Set(operations.filter(() => dice.chance(0.3)));
    const error = dice.pick(refusals);
    const share = dice.pick([0.3, 1]);
    on.client.script = ({ operation }) => {
      if (!failing.has(operation) || !dice.chance(share)) return undefined;
      // Then the shard would count as gone: its coordinator would decide.
      if (error === 'ResourceNotFoundException' && operation === 'GetShardIterator') return undefined;
      return error === 'hang' ? 'hang' : { error };
    };
  },
  heal({ on }) {
    on.client.script = () => undefined;
  },
  pace({ on, dice }) {
    on.client.subscriptions.settings.recordsPerEvent = dice.pick([1, 2, 10_000]);
    on.client.subscriptions.settings.lastsMs = dice.pick([50, 7_000, 300_000]);
    on.client.subscriptions.settings.activeAfterMs = dice.pick([0, 5_000]);
  },
  slow(story) {
    story.isSlow = !story.isSlow;
  },
  hold(story) {
    story.isHeld = !story.isHeld;
    story.on.reader.hold?.(story.isHeld);
  },
  /** Records that have been handed on expire. */
  trim(story) {
    const { on } = story;
    on.client.kinesis.trim(stream, shardId, on.keys.length - story.trimmed);
    story.trimmed = on.keys.length;
  },
  split({ on, dice }) {
    if (dice.chance(0.15) && on.client.kinesis.stream(stream).shards.size === 1)
      on.client.kinesis.split(stream, shardId);
  },
};

async function play(run: number): Promise<Story> {
  const dice = createDice(run);
  const on = harness(undefined, {
    retrieval: 'fan-out',
    random: dice.next(),
    lease: { stream: undefined, renewalBegunAt: () => (dice.chance(0.5) ? Infinity : -Infinity) },
    model: { childShards: dice.chance(0.5) },
    options: {
      streamName: stream,
      requestTimeoutMs: 5_000,
      prefetch: dice.pick([{}, { batches: 1 }, { records: 2 }]),
      fanOut: { consumer: { consumerName }, isRequired: false },
    },
  });
  const story: Story = { on, dice, put: [], lies: [], trimmed: 0, isSlow: false, isHeld: false };
  void work(story).catch((error: unknown) => story.lies.push(`the reader failed: ${String(error)}`));
  const isClosed = (): boolean => on.client.kinesis.stream(stream).shards.size > 1;
  for (let times = dice.between(5, 25); times > 0; times -= 1) {
    const name = dice.pick([...Object.keys(steps), 'put', 'put', 'put']);
    if (name !== 'put' || !isClosed()) steps[name]!(story);
    await on.clock.advance(dice.pick([0, 100, 1_100, 3_000, 20_000, 70_000]));
  }
  on.client.script = () => undefined;
  story.isSlow = false;
  if (story.isHeld) steps['hold']!(story);
  if (!isClosed()) on.client.kinesis.split(stream, shardId);
  await on.clock.advance(240_000);
  return story;
}

describe(`a reader with enhanced fan-out and drawn faults (KINACT_SEED=${seed})`, () => {
  it('leaves nothing out, repeats nothing, and never says too early that it is at the tip', async () => {
    for (let run = 0; run < runs; run += 1) {
      const { on, put, lies } = await play(seed + run);
      const name = `run ${seed + run}`;
      expect(on.keys, name).to.deep.equal(put.map(({ key }) => key));
      expect(lies, name).to.deep.equal([]);
      expect(end(on), name).to.not.equal(undefined);
      expect(most(on.client.of('SubscribeToShard'), 1_000), name).to.be.at.most(1);
      on.reader.close();
      await on.clock.advance(1_000);
    }
  });
});
