// Cause: of two empty pages that nobody had read yet one batch was made, with the bytes of the first; the bytes of the second
// stayed counted for good. A page counts for what was fetched even where every record of it is left out, as on the way to a
// start time, so a shard at such a tip filled its prefetch buffer with nothing and was never read again.
import { expect } from 'chai';
import { createPrefetchBuffer } from '../../src/aws/kinesis/prefetch-buffer.js';
import type { StartPosition } from '../../src/core/position.js';
import { stream, harness } from '../support/polling-harness.js';

const never = new AbortController().signal;

describe('An empty page that is merged into an unread empty one', () => {
  it('leaves no bytes behind in the prefetch buffer', async () => {
    const buffer = createPrefetchBuffer({ batches: 2, records: 10, bytes: 100 });
    for (let page = 0; page < 3; page += 1) buffer.push([], 60, 0);
    expect(await buffer.read(never)).to.deep.equal({ type: 'records', records: [], millisBehindLatest: 0 });
    let hasRoom = false;
    void buffer.whenRoom(never).then(() => (hasRoom = true));
    await Promise.resolve();
    expect(hasRoom).to.equal(true);
  });

  it('counts for nothing when all its records were left out', async () => {
    const later = (_: unknown, clock: { wallNow(): number }): StartPosition => ({
      type: 'atTimestamp',
      timestampMs: clock.wallNow() + 60_000,
    });
    const on = harness(later, {
      options: { streamName: stream, idleMs: 1_000, prefetch: { batches: 2, records: 1_000, bytes: 1_000 } },
    });
    // The model answers AT_TIMESTAMP like kinesalite: not at all. The reader then begins at the horizon and leaves out what is older.
    on.client.script = ({ operation, input }) =>
      operation === 'GetShardIterator' && input['ShardIteratorType'] === 'AT_TIMESTAMP' ? 'hang' : undefined;
    void on.reader.read(never);
    for (let second = 0; second < 40; second += 1) {
      on.client.kinesis.put(stream, { partitionKey: `k${second}`, data: new Uint8Array(900) });
      await on.clock.advance(1_000);
    }
    const before = on.client.of('GetRecords').length;
    await on.clock.advance(10_000);
    expect(on.client.of('GetRecords').length).to.be.greaterThan(before);
    on.reader.close();
  });
});
