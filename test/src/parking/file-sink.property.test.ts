// Whatever a disk does: an item whose call has resolved is read back after any power cut, and an item whose call was rejected is read
// back at most if the disk also refused to cut the file back.
import { expect } from 'chai';
import fc from 'fast-check';
import { openFileSink } from '../../../src/parking/file-sink.js';
import { modelDisk, type DiskFault } from '../../support/model-disk.js';
import { never, parkedItem, readBack } from '../../support/parked.js';

interface Step {
  readonly type: 'park' | 'wait' | 'delete' | 'abort';
  readonly count: number;
  readonly bytes: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  type: fc.oneof(
    { weight: 8, arbitrary: fc.constant('park' as const) },
    { weight: 4, arbitrary: fc.constant('wait' as const) },
    { weight: 1, arbitrary: fc.constant('delete' as const) },
    { weight: 2, arbitrary: fc.constant('abort' as const) },
  ),
  count: fc.integer({ min: 1, max: 4 }),
  bytes: fc.integer({ min: 0, max: 600 }),
});

const fault: fc.Arbitrary<DiskFault> = fc.oneof(
  { weight: 12, arbitrary: fc.constant('none' as const) },
  { weight: 2, arbitrary: fc.constantFrom('fail' as const, 'short' as const, 'shortFail' as const) },
  { weight: 1, arbitrary: fc.constant('deleted' as const) },
);

const settling = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

interface Call {
  readonly key: string;
  state: 'open' | 'kept' | 'rejected' | 'deleted';
}

async function run(steps: readonly Step[], faults: readonly DiskFault[], draws: readonly number[]): Promise<void> {
  let at = 0;
  const draw = (below: number): number => draws[at++ % draws.length]! % below;
  let call = 0;
  const calls: Call[] = [];
  const forget = (): void => {
    for (const each of calls) if (each.state === 'kept') each.state = 'deleted';
  };
  const disk = modelDisk((name) => {
    const drawn = faults[call++] ?? 'none';
    if (drawn === 'deleted' && ['write', 'sync', 'create'].includes(name)) forget();
    return drawn;
  }, draw);
  let now = 1_700_000_000_000;
  const sink = openFileSink(
    { path: '/data/parked', maxFileBytes: 2_000, maxBytes: 12_000 },
    { disk, wallNow: () => (now += 1), processId: 7 },
  );

  let aborting = new AbortController();
  const park = (bytes: number): void => {
    const item = parkedItem(calls.length, { data: Buffer.alloc(bytes, 65), error: 'short' });
    const entry: Call = { key: item.idempotencyKey, state: 'open' };
    calls.push(entry);
    (sink(item, { signal: aborting.signal }) as Promise<void>).then(
      () => (entry.state = 'kept'),
      () => (entry.state = 'rejected'),
    );
  };
  for (const { type, count, bytes } of steps) {
    if (type === 'park') for (let each = 0; each < count; each += 1) park(bytes);
    else if (type === 'wait') await settling();
    else if (type === 'abort') {
      aborting.abort(new Error('nobody waits'));
      aborting = new AbortController();
    } else {
      await settling();
      forget();
      disk.deleteFolder();
    }
  }
  // The power fails while the last calls may still run: they have promised nothing.
  if (draw(2) === 0) for (let turns = 0; turns < 20; turns += 1) await settling();

  const promised = calls.map((each) => ({ ...each }));
  const isCut = draw(2) === 0;
  const { entries } = await readBack(isCut ? disk.afterPowerCut(draw) : disk.live());
  const found = new Set(entries.map(({ idempotencyKey }) => idempotencyKey));
  for (const { key, state } of promised) {
    if (state === 'kept') expect(found.has(key), `${key} was promised and is lost`).to.equal(true);
    if (state === 'rejected' && disk.failedCuts === 0)
      expect(found.has(key), `${key} was rejected and is kept`).to.equal(false);
  }
}

describe('a file sink on a disk that fails', function () {
  this.timeout(120_000);

  it('keeps what it has promised, and nothing that it has rejected', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 16 }),
        fc.array(fault, { maxLength: 120 }),
        fc.array(fc.nat(10_000), { minLength: 1, maxLength: 40 }),
        run,
      ),
      { numRuns: 600 },
    );
  });

  it('settles every call', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 60 }), fc.integer({ min: 1, max: 30 }), async (faults, count) => {
        let call = 0;
        const disk = modelDisk(() => faults[call++] ?? 'none');
        const host = { disk, wallNow: () => 1_700_000_000_000, processId: 7 };
        const sink = openFileSink({ path: '/data/parked', maxFileBytes: 1_500, maxBytes: 5_000 }, host);
        const calls = Array.from({ length: count }, (_, n) =>
          sink(parkedItem(n, { error: 'short' }), { signal: never }),
        );
        const results = await Promise.allSettled(calls as Promise<void>[]);
        const kept = results.filter(({ status }) => status === 'fulfilled').length;
        expect([...disk.live().values()].reduce((sum, { length }) => sum + length, 0)).to.be.at.most(5_000);
        if (faults.every((each) => each === 'none') && count <= 4) expect(kept).to.equal(count);
      }),
      { numRuns: 200 },
    );
  });
});
