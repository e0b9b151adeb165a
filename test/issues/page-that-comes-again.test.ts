// Symptom: a listing or scan whose next page was always the same page continued forever, without an event and without a wait. The
// scan took more and more rows into memory. Rule: such an answer is wrong, so the call fails, is reported, and is repeated.
import { expect } from 'chai';
import { openLeaseTable } from '../../src/aws/dynamodb/lease-table.js';
import { kinesisSource } from '../../src/aws/kinesis/kinesis-source.js';
import { ManualClock } from '../../src/testing/manual-clock.js';

/** More pages than this count as endless. */
const enough = 100;
const clock = new ManualClock();
const harness = { clock, timers: clock, random: { next: () => 0.5 } };

describe('a next page that is the same page again', () => {
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
        kinesisSource({ streamName: 'orders', client }, harness).listShards(
          { type: 'all' },
          new AbortController().signal,
        ),
    ],
  ] as const) {
    it(`fails ${operation} with a retryable error after two pages`, async () => {
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
