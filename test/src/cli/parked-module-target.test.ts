// A replay by a module says which call takes long. The times are those of injected timers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import { moduleTarget } from '../../../src/cli/parked-module-target.js';
import type { ReplayGroup } from '../../../src/cli/replay-target.js';
import { fileSink } from '../../../src/parking/file-sink.js';
import { readParkedFolder } from '../../../src/parking/parked-folder.js';
import { ManualClock } from '../../../src/testing/manual-clock.js';
import { never, parkedItem, temporaryFolder } from '../../support/parked.js';

describe('the target of a module', function () {
  this.timeout(30_000);
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  it('names a call that is under way for 10 s, and then every minute, until it ends', async () => {
    const path = join(folder.path, 'parked');
    const sink = fileSink({ path });
    for (const n of [1, 2]) await sink(parkedItem(n), { signal: never });
    const file = join(folder.path, 'module.mjs');
    writeFileSync(
      file,
      `export default { init: () => 0, reduce: (n) => new Promise((end) => process.emit('called', () => end(n))) };`,
    );

    const calls: (() => void)[] = [];
    let called = (): void => undefined;
    const onCall = (end: () => void): void => (calls.push(end), called());
    const callNumber = (n: number): Promise<void> =>
      new Promise((resolve) => {
        called = () => calls.length >= n && resolve();
        called();
      });
    const emitter: NodeJS.EventEmitter = process;
    emitter.on('called', onCall);
    const clock = new ManualClock();
    const target = moduleTarget(file, clock);
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const io = { stdin, stdout, stderr, env: {}, signal: never };
    const said = (): string => String(stderr.read() ?? '');
    const { entries } = await readParkedFolder(path, never);
    const done: string[] = [];
    const note = async (groups: readonly ReplayGroup[]): Promise<void> =>
      void done.push(...groups.flat().map(({ idempotencyKey }) => idempotencyKey));
    const reports = {
      done: note,
      madeNothing: (group: ReplayGroup) => note([group]),
      failed: (_: ReplayGroup, reason: string) => void done.push(reason),
    };

    try {
      await target.check(io);
      const replaying = target.replay(
        entries.map((entry) => [entry]),
        reports,
        io,
      );
      const text = (n: number, seconds: number): string =>
        `${parkedItem(n).idempotencyKey}: its call has been under way for ${seconds} s\n`;
      await callNumber(1);
      await clock.advance(9_999);
      expect(said()).to.equal('');
      await clock.advance(1);
      expect(said()).to.equal(text(1, 10));
      await clock.advance(59_999);
      expect(said()).to.equal('');
      await clock.advance(1);
      expect(said()).to.equal(text(1, 70));
      await clock.advance(60_000);
      expect(said()).to.equal(text(1, 130));
      calls[0]!();
      await callNumber(2);
      await clock.advance(9_999);
      expect(said()).to.equal('');
      await clock.advance(1);
      expect(said()).to.equal(text(2, 10));
      calls[1]!();
      await replaying;
      await clock.advance(600_000);
      expect(said()).to.equal('');
      expect(done).to.deep.equal([1, 2].map((n) => parkedItem(n).idempotencyKey));
    } finally {
      emitter.off('called', onCall);
      await target.close();
    }
  });
});
