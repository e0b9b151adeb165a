// A source may know the ends of shards from the answers to its readers. Then the coordinator makes no listing for them, unless the end was
// refused before, or the answers do not show what the question needs.
import { expect } from 'chai';
import { holdingAll, type CoordinatorDriver } from '../../support/coordinator-driver.js';
import { listedStream, type ListedStream } from '../../support/listed-stream.js';
import type { KnownEnds, Shard } from '../../../src/api/ports.js';

const zero = 'shardId-000000000000';
const one = 'shardId-000000000001';
const position = { sequenceNumber: '5', subSequenceNumber: 0 };

interface Scene {
  readonly stream: ListedStream;
  readonly driver: CoordinatorDriver;
  /** The shards that the coordinator asked about. */
  readonly asked: string[][];
  /** How many listings the question costs. */
  costs(question: Parameters<CoordinatorDriver['askEnd']>[1]): Promise<number>;
}

/** A shard of a table that has rolled over. `knows`: what the source knows of the listing. */
async function scene(knows: (shards: readonly Shard[]) => Partial<KnownEnds> | undefined): Promise<Scene> {
  const asked: string[][] = [];
  const stream = listedStream({ shards: 1, lineage: true });
  const description = await stream.describe(new AbortController().signal);
  const source = Object.assign(stream, {
    knownEnds: (shardIds: readonly string[]): KnownEnds | undefined => {
      asked.push([...shardIds]);
      const known = knows(stream.shards);
      return known && { shards: stream.shards, serviceTimeMs: 0, description, showsExpiry: true, ...known };
    },
  });
  const driver = await holdingAll({ stream: source });
  stream.rollOver(zero);
  return {
    stream,
    driver,
    asked,
    async costs(question) {
      const before = stream.filters.length;
      const plan = await driver.askEnd(zero, question);
      expect(plan).to.deep.equal({ type: 'ready', childShardIds: [one] });
      expect(driver.store.row(one)).to.deep.include({ checkpoint: 'TRIM_HORIZON', parentShardIds: [zero] });
      return stream.filters.length - before;
    },
  };
}

describe('a coordinator whose source knows the end of a shard', () => {
  it('lists nothing, and creates the rows of the children', async () => {
    const { costs, asked } = await scene(() => ({}));
    expect(await costs({ position })).to.equal(0);
    expect(asked).to.deep.equal([[zero]]);
  });

  it('lists the shards if the source does not know', async () => {
    const { costs } = await scene(() => undefined);
    expect(await costs({ position })).to.equal(1);
  });

  it('lists the shards for one that was never read, unless the answers show whether its records may have expired', async () => {
    const vague = await scene(() => ({ showsExpiry: false }));
    expect(await vague.costs({})).to.equal(1);
    const read = await scene(() => ({ showsExpiry: false }));
    expect(await read.costs({ position })).to.equal(0);
    const clear = await scene(() => ({ showsExpiry: true }));
    expect(await clear.costs({})).to.equal(0);
  });

  it('lists the shards after a refusal: only a new listing can show what has changed', async () => {
    const { driver, stream, costs, asked } = await scene((shards) => ({
      shards: shards.map(({ endingSequenceNumber: _, ...shard }) => shard),
    }));
    expect(await driver.askEnd(zero, { position })).to.include({ type: 'blocked' });
    expect(stream.filters.length, 'the sync at the start').to.equal(1);
    expect(await costs({ position })).to.equal(1);
    expect(asked).to.have.length(1);
  });

  it('lists the shards if the reader did not find the shard', async () => {
    const { driver, stream, asked } = await scene(() => ({}));
    const before = stream.filters.length;
    expect(await driver.askEnd(zero, { position, notFound: true })).to.include({ type: 'readOn' });
    expect(stream.filters.length - before).to.equal(1);
    expect(asked).to.deep.equal([]);
  });

  it('does not count a shard as present because an earlier answer has named it', async () => {
    const stream = listedStream({ shards: 2, lineage: true });
    const description = await stream.describe(new AbortController().signal);
    const earlier: Shard[] = [];
    const knownEnds = (): KnownEnds => ({ shards: earlier, serviceTimeMs: 0, description, showsExpiry: true });
    const driver = await holdingAll({ stream: Object.assign(stream, { knownEnds }) });
    stream.rollOver(one);
    earlier.push(...stream.shards);
    stream.shards = stream.shards.filter(({ shardId }) => shardId !== zero);
    expect(await driver.askEnd(zero, { notFound: true }), 'the first listing without it').to.include({
      type: 'blocked',
    });
    await driver.harness.advance(9_000);
    expect(await driver.askEnd(one, { position })).to.include({ type: 'ready' });
    await driver.harness.advance(2_000);
    expect(await driver.askEnd(zero, { notFound: true }), 'the second').to.include({ type: 'ready' });
  });

  it('does not end a shard whose row is of another stream than the one that was asked', async () => {
    const { driver, stream } = await scene(() => ({}));
    const other = { streamArn: 'arn:aws:kinesis:x:1:stream/other' };
    const description = { ...(await stream.describe(new AbortController().signal)), ...other };
    Object.assign(stream, {
      knownEnds: (): KnownEnds => ({ shards: stream.shards, serviceTimeMs: 0, description, showsExpiry: true }),
    });
    expect(await driver.askEnd(zero, { position })).to.include({ type: 'blocked' });
    expect(driver.store.rows.has(one)).to.equal(false);
  });
});
