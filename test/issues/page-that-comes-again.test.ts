// A listing or scan whose next page always was the one before went on forever: without an event, without a wait, and the
// scan with more and more rows in memory. Such an answer is a bad one: the call fails, is said to, and is made again.
import { expect } from 'chai';
import { openLeaseTable } from '../../src/aws/dynamodb/lease-table.js';
import { kinesisPollingSource } from '../../src/aws/kinesis/kinesis-polling.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

/** More pages than this are without end. */
const enough = 100;
const clock = new ManualClock();
const harness = { clock, timers: clock, random: { next: () => 0.5 } };

describe('a page that comes again and again', () => {
  for (const [operation, page, call] of [
    [
      'Scan',
      { Items: [], Count: 0, LastEvaluatedKey: { leaseKey: { S: 'a' } } },
      (client: never) => openLeaseTable({ tableName: 'orders', client, ...harness }).scan(new AbortController().signal),
    ],
    [
      'ListShards',
      { Shards: [{ ShardId: 'shardId-000000000000' }], NextToken: 'a' },
      (client: never) =>
        kinesisPollingSource({ streamName: 'orders', client }, harness).listShards(
          { type: 'all' },
          new AbortController().signal,
        ),
    ],
  ] as const) {
    it(`fails ${operation}, which may be tried again`, async () => {
      let pages = 0;
      const send = async (): Promise<object> => {
        pages += 1;
        if (pages > enough) throw new Error('without end');
        return page;
      };
      const error: unknown = await call({ send } as never).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).to.include({ code: 'AWS_ERROR', retryable: true });
      expect(pages).to.equal(2);
    });
  }
});
