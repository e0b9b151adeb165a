// A look at a position of a shard is bounded in calls and bytes, leaves out what the checkpoint covers, and says when it knows nothing.
import { expect } from 'chai';
import { looking } from '../../../../src/aws/kinesis/position-look.js';
import type { PolledService } from '../../../../src/aws/kinesis/polled-service.js';
import { KinactError } from '../../../../src/api/errors.js';
import type { RawRecord } from '../../../../src/api/ports.js';
import type { PositionLook, StartPosition } from '../../../../src/core/position.js';
import { ManualClock } from '../../../../src/testing/manual-clock.js';

const record = (n: number, bytes = 10, arrivedAt = 1_000 + n): RawRecord<Buffer> => ({
  ...{ sequenceNumber: String(n), data: Buffer.alloc(bytes), arrivedAt },
});

interface Page {
  readonly records: readonly RawRecord<Buffer>[];
  readonly behindMs?: number;
  readonly isLast?: boolean;
}

const throttled = {
  failure: {
    kind: 'throttled' as const,
    outcomeUnknown: false,
    error: new KinactError('AWS_ERROR', 'slow down', { retryable: true }),
  },
};

/** A service that gives these pages, one per call, and then empty ones. `throttles`: so many of the first reads. */
function paged(
  pages: readonly Page[],
  { throttles = 0, skipBefore }: { throttles?: number; skipBefore?: number } = {},
) {
  const limits: number[] = [];
  const clock = new ManualClock();
  let left = throttles;
  const service = {
    findIterator: async () => ({
      ...{ type: 'iterator', iterator: '0', trimmed: false, askAgain: false },
      ...(skipBefore === undefined ? {} : { skipBefore }),
    }),
    getRecords: async (_: unknown, iterator: string, limit: number) => {
      if (left > 0) {
        left -= 1;
        return throttled;
      }
      limits.push(limit);
      const { records, behindMs, isLast } = pages[Number(iterator)] ?? { records: [] };
      const next = isLast === true ? {} : { NextShardIterator: String(Number(iterator) + 1) };
      return {
        output: { ...next, ...(behindMs === undefined ? {} : { MillisBehindLatest: behindMs }) },
        records,
        bytes: 0,
      };
    },
  } as unknown as PolledService;
  // Aggregates have even numbers, and three user records.
  const unpack = (raw: RawRecord<Buffer>) => ({
    records: Array.from({ length: Number(raw.sequenceNumber) % 2 === 0 ? 3 : 1 }, () => raw),
    isDivisible: true,
  });
  const look = async (start: StartPosition = { type: 'trimHorizon' }): Promise<PositionLook> => {
    const looked = looking({ service, timers: clock, unpack })('s', start, new AbortController().signal);
    looked.catch(() => undefined);
    await clock.advance(5_000);
    return looked;
  };
  return { limits, look };
}

const after = (n: number, subSequenceNumber = 0): StartPosition => ({
  ...{ type: 'after', position: { sequenceNumber: String(n), subSequenceNumber } },
});
const numbers = ({ records }: PositionLook): string[] => records.map(({ sequenceNumber }) => sequenceNumber);

describe('a look at a position', () => {
  it('reads two records, then a sample of about 64 KiB', async () => {
    const small = paged([
      { records: [record(1), record(2)], behindMs: 500 },
      { records: [record(3)], behindMs: 400 },
    ]);
    const looked = await small.look();
    expect(looked).to.include({ millisBehindLatest: 500, isTip: false, isKnown: true, reads: 2 });
    expect([numbers(looked), small.limits]).to.deep.equal([
      ['1', '2', '3'],
      [2, 100],
    ]);
    const large = paged([{ records: [record(1, 50_000)], behindMs: 500 }]);
    await large.look();
    expect(large.limits).to.deep.equal([2, 1]);
  });

  it('stops at the tip', async () => {
    const { look, limits } = paged([{ records: [record(1)], behindMs: 0 }]);
    expect(await look()).to.include({ isTip: true, reads: 1 });
    expect(limits).to.have.length(1);
  });

  it('leaves out the record of the checkpoint, but not an aggregate with user records after it', async () => {
    const pages = [{ records: [record(1), record(3)], behindMs: 0 }];
    expect(numbers(await paged(pages).look(after(1)))).to.deep.equal(['3']);
    const aggregate = [{ records: [record(2), record(3)], behindMs: 0 }];
    expect(numbers(await paged(aggregate).look(after(2, 1)))).to.deep.equal(['2', '3']);
    expect(numbers(await paged(aggregate).look(after(2, 2)))).to.deep.equal(['3']);
  });

  it('gives up after four reads without a record, and says that it knows nothing while the service is behind', async () => {
    const behind = paged([1, 2, 3, 4, 5].map(() => ({ records: [], behindMs: 9_000 })));
    expect(await behind.look()).to.include({ isKnown: false, reads: 4 });
    const silent = paged([]);
    expect(await silent.look(), 'of a table: nobody says how far').to.include({ isKnown: true, reads: 4 });
  });

  it('takes the end of a shard for its tip', async () => {
    expect(await paged([{ records: [], isLast: true }]).look()).to.include({ isTip: true, isKnown: true, reads: 1 });
  });

  it('leaves out records from before the start time, and knows nothing if there are only such', async () => {
    const old = [record(1, 10, 5), record(3, 10, 6)];
    const pages = [
      { records: old, behindMs: 900 },
      { records: [record(5, 10, 50)], behindMs: 0 },
    ];
    const start: StartPosition = { type: 'atTimestamp', timestampMs: 10 };
    expect(numbers(await paged(pages, { skipBefore: 10 }).look(start))).to.deep.equal(['5']);
    const onlyOld = [1, 2, 3, 4].map(() => ({ records: old, behindMs: 900 }));
    expect(await paged(onlyOld, { skipBefore: 10 }).look(start)).to.include({ isKnown: false });
  });

  it('makes a throttled call once more, and fails with the second', async () => {
    const pages = [{ records: [record(1)], behindMs: 0 }];
    expect(numbers(await paged(pages, { throttles: 1 }).look())).to.deep.equal(['1']);
    let failed: unknown;
    await paged(pages, { throttles: 2 })
      .look()
      .catch((error: unknown) => (failed = error));
    expect(failed).to.have.property('message', 'slow down');
  });

  it('knows nothing after a position that is not of this shard, and names the newest record', async () => {
    const beyond = paged([{ records: [record(1), record(3)], behindMs: 0 }]);
    expect(await beyond.look(after(5))).to.include({ isKnown: false, isTip: true, newestBelow: '3', reads: 1 });
    // Numbers after the position may come all the same: then they count.
    const both = paged([{ records: [record(3), record(7)], behindMs: 0 }]);
    expect(await both.look(after(5)))
      .to.include({ isKnown: true })
      .and.not.have.property('newestBelow');
    const covered = paged([{ records: [record(5)], behindMs: 0 }]);
    expect(await covered.look(after(5)))
      .to.include({ isKnown: true })
      .and.not.have.property('newestBelow');
  });
});
