// A source may make the items of its records itself, with `itemOf`. An `extract` replaces it, a `key` replaces only its keys.
import { expect } from 'chai';
import type { ItemParts, StreamSource, UserRecord } from '../../../src/api/ports.js';
import { defineReducer } from '../../../src/api/reducer.js';
import type { SourceSpec } from '../../../src/api/source.js';
import type { StageOptions } from '../../../actors/stage/stage.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { fakeStream } from '../../../src/testing/fake-stream/fake-stream.js';
import { numberOf, pipelines, putNumbered, shard0 } from '../../support/pipeline-probes.js';
import { inVirtualTime } from '../../support/virtual.js';
import { virtualConsumer } from '../../support/virtual-consumer.js';

const start = pipelines();

/** The key says whether the number is even, the value is the number. The number 2 cannot be decoded. */
function parityOf(record: UserRecord): ItemParts {
  const n = numberOf(record);
  if (n === 2) throw new Error('no such number');
  return { key: n % 2 === 0 ? 'even' : 'odd', value: n };
}

async function delivered(stage: Partial<StageOptions>) {
  const stream = fakeStream();
  const numbers = putNumbered(stream, 4);
  const seen: [key: string, value: unknown][] = [];
  const pipeline = start({
    stage: { onFailure: 'skip', itemOf: (_source, record) => parityOf(record), ...stage },
    definition: defineReducer({ init: () => 0, reduce: (n: number, { key, value }) => (seen.push([key, value]), n) }),
  });
  const { keeper } = pipeline.read(stream.port, shard0);
  await pipeline.clock.advance(10);
  const frontier = keeper.frontiers.at(-1)?.position.sequenceNumber;
  return { seen: seen.sort(), skipped: pipeline.counters()['skippedItems'], isAtEnd: frontier === numbers.at(-1) };
}

describe('a source that makes items', () => {
  it('decides key and value, and a record that it cannot decode goes to onFailure', async () => {
    const odd = [1, 3].map((n) => ['odd', n]);
    expect(await delivered({})).to.deep.equal({ seen: [['even', 0], ...odd], skipped: 1, isAtEnd: true });
  });

  it('keeps the value under the key that the option `key` gives', async () => {
    const { seen } = await delivered({ key: () => 'one' });
    expect(seen).to.deep.equal([0, 1, 3].map((n) => ['one', n]));
  });

  it('is not asked if there is an `extract`', async () => {
    const { seen, skipped } = await delivered({ extract: (record) => [{ key: 'e', value: numberOf(record) }] });
    expect({ seen, skipped }).to.deep.equal({ seen: [0, 1, 2, 3].map((n) => ['e', n]), skipped: undefined });
  });

  it('leaves the item to the stage if it makes none', async () => {
    const { seen } = await delivered({ itemOf: () => undefined });
    expect(seen.map(([key, value]) => [key, String(value)])).to.deep.equal([0, 1, 2, 3].map((n) => [`k${n}`, `${n}`]));
  });

  it('is the one that the record comes from, in a consumer', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      const stream = fakeStream({ shards: 1, clock });
      const makesItems = (port: StreamSource): StreamSource => ({ ...port, itemOf: parityOf });
      const source: SourceSpec = {
        ...stream.source,
        open: (environment) => makesItems(stream.source.open(environment)),
      };
      const { consumer, seen } = virtualConsumer(clock, { stream, source });
      await inVirtualTime(clock, consumer.start());
      putNumbered(stream, 2);
      await clock.advance(5_000);
      await inVirtualTime(clock, consumer.stop());
      expect(seen.map(({ key, value }) => [key, value])).to.have.deep.members([
        ['even', 0],
        ['odd', 1],
      ]);
    } finally {
      clock.uninstall();
    }
  });
});
