// Symptom: a shard filled its prefetch buffer with empty pages and was never read again. Cause: two unread empty pages became one
// batch, with the bytes of the first page. The bytes of the second page stayed counted for good. (A page counts with its fetched
// bytes even if all its records are left out, as on the way to a start time.)
import { expect } from 'chai';
import { createPrefetchBuffer } from '../../src/aws/kinesis/prefetch-buffer.js';
import type { StartPosition } from '../../src/core/position.js';
import { stream, harness } from '../support/polling-harness.js';

const never = new AbortController().signal;

describe('an empty page that is merged into an unread empty page', () => {
  it('leaves no bytes behind in the prefetch buffer', async () => {
    const buffer = createPrefetchBuffer({ batches: 2, records: 10, bytes: 100 });
    for (let page = 0; page < 3; page += 1) buffer.push([], 60, 0);
    expect(await buffer.read(never)).to.deep.equal({ type: 'records', records: [], millisBehindLatest: 0 });
    let hasRoom = false;
    void buffer.whenRoom(never).then(() => (hasRoom = true));
    await Promise.resolve();
    expect(hasRoom).to.equal(true);
  });

  it('does not stop the reader if all its records were left out', async () => {
    const later = (_: unknown, clock: { wallNow(): number }): StartPosition => ({
      type: 'atTimestamp',
      timestampMs: clock.wallNow() + 60_000,
    });
    const on = harness(later, {
      options: { streamName: stream, idleMs: 1_000, prefetch: { batches: 2, records: 1_000, bytes: 1_000 } },
    });
    // Like kinesalite, the model does not answer AT_TIMESTAMP. The reader then begins at TRIM_HORIZON and leaves out older records.
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
