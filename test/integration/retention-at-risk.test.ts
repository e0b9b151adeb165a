// A consumer learns the retention of its stream, also if it changes, and says in `ready()` that records may expire.
import { expect } from 'chai';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { fakeStream } from '../../src/testing/fake-stream/fake-stream.js';
import { retry } from '../../src/options/retry-policy.js';
import { inVirtualTime } from '../support/virtual.js';
import { virtualConsumer } from '../support/virtual-consumer.js';

describe('a consumer whose records may expire', () => {
  it('warns once, is not ready, and recovers when the retention is raised', async () => {
    const clock = new ManualClock();
    clock.install();
    try {
      const stream = fakeStream({ shards: 1, clock });
      let retentionHours = 0.1;
      const { source } = stream;
      const open: typeof source.open = (environment) => {
        const port = source.open(environment);
        return { ...port, describe: async (signal) => ({ ...(await port.describe(signal)), retentionHours }) };
      };
      const only = virtualConsumer(clock, {
        stream: { ...stream, source: { ...source, open } },
        onFailure: retry(),
        onItem: () => {
          throw new Error('read-only');
        },
      });
      await inVirtualTime(clock, only.consumer.start());
      stream.put({ partitionKey: 'k', data: 'x' });
      await clock.advance(300_000);
      const [warning, ...more] = only.heard('retentionAtRisk');
      expect(more).to.deep.equal([]);
      expect(warning).to.include({ key: 'k', retentionMs: 360_000 });
      expect(only.consumer.ready().reasons.join()).to.match(/old, and the stream keeps records for 6 min/);

      retentionHours = 24;
      await clock.advance(180_000);
      expect(only.consumer.ready().reasons.join()).to.not.include('the stream keeps records');
      await inVirtualTime(clock, only.consumer.stop());
    } finally {
      clock.uninstall();
    }
  });
});
