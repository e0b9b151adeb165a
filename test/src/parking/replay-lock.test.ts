// The lock of a replay: one holder at a time, none that is dead, and a holder that nobody can look for is given time for a sign.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isKinactError } from '../../../src/api/errors.js';
import { isAlive, ownMark } from '../../../src/parking/process-mark.js';
import { takeReplayLock, type LockTimes, type ReplayLock } from '../../../src/parking/replay-lock.js';
import { never, temporaryFolder } from '../../support/parked.js';

const times: LockTimes = { beatMs: 5, silentMs: 200 };

describe('the lock of a replay', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let progress: string;
  const waits: string[] = [];
  beforeEach(() => {
    folder = temporaryFolder();
    progress = join(folder.path, 'replayed.jsonl');
    waits.length = 0;
    whileWaiting = () => undefined;
  });
  afterEach(() => folder.remove());

  let whileWaiting = (): void => undefined;
  const take = (signal = never, beatMs = times.beatMs): Promise<ReplayLock> =>
    takeReplayLock(progress, { signal, waiting: (text) => (waits.push(text), whileWaiting()) }, { ...times, beatMs });
  const reasonOf = (taking: Promise<unknown>): Promise<string> =>
    taking.then(
      () => 'it was taken',
      (error: Error) => `${isKinactError(error) ? error.code : error.name}: ${error.message}`,
    );
  const lockOf = (number: number): string => `${progress}.${number}.lock`;
  const leave = (number: number, more: object): void =>
    writeFileSync(
      lockOf(number),
      JSON.stringify({ ...ownMark(), id: `left-${number}`, since: 'then', beat: 0, ...more }),
    );

  it('is held by one process, which the other one names, and leaves nothing behind', async () => {
    const lock = await take();
    await lock.confirm();
    expect(await reasonOf(take())).to.match(new RegExp(`^REFUSED: process ${process.pid} on \\S+ replays with `));
    await lock.release();
    expect(readdirSync(folder.path)).to.deep.equal([]);
    await (await take()).release();
  });

  it('passes over a lock whose process is gone, or whose process id has another process', async () => {
    if (process.platform !== 'linux') return;
    leave(7, { startedAt: '1' });
    leave(8, { processId: 2 ** 22 + 1 });
    const lock = await take();
    expect(readdirSync(folder.path)).to.deep.equal(['replayed.jsonl.9.lock']);
    expect(waits).to.deep.equal([]);
    await lock.release();
  });

  it('gives a holder on another machine time for a sign, and takes over without one', async () => {
    leave(1, { place: 'elsewhere' });
    const lock = await take();
    expect(waits).to.have.length(1);
    expect(waits[0]).to.include('cannot be looked for');
    await lock.release();
    // Written only in part, and never completed.
    writeFileSync(lockOf(1), '{"pl');
    await (await take()).release();
    expect(readdirSync(folder.path)).to.deep.equal([]);
  });

  it('is refused while a holder on another machine beats', async () => {
    const lock = await take();
    const [name = ''] = readdirSync(folder.path);
    const path = join(folder.path, name);
    const { place, ...own } = JSON.parse(readFileSync(path, 'utf8')) as { place: string };
    await lock.release();
    const other = { ...own, place: `not ${place}` };
    let beat = 0;
    // Over what is there, as a holder does, so that the file is never empty.
    writeFileSync(path, JSON.stringify({ ...other, beat }));
    const beating = setInterval(() => {
      beat += 1;
      writeFileSync(path, JSON.stringify({ ...other, beat }), { flag: 'r+' });
    }, 5);
    try {
      expect(await reasonOf(take())).to.match(/^REFUSED: process \d+ on not replays with/);
    } finally {
      clearInterval(beating);
    }
  });

  it('raises a beat that others see, in a file that keeps its holder', async () => {
    const lock = await take();
    const content = (): { beat: number; processId: number } => JSON.parse(readFileSync(lockOf(1), 'utf8')) as never;
    while (content().beat < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(content().processId).to.equal(process.pid);
    await lock.confirm();
    await lock.release();
  });

  it('says so if it was taken over, and leaves the lock of the other alone', async () => {
    const lock = await take(never, 60_000);
    writeFileSync(lockOf(1), JSON.stringify({ id: 'another' }));
    expect(await reasonOf(lock.confirm())).to.match(/^REFUSED: .* was taken: another process saw no sign/);
    await lock.release();
    expect(existsSync(lockOf(1))).to.equal(true);
  });

  it('never writes over the lock of another, and counts a lock that is gone as lost', async () => {
    const lock = await take();
    writeFileSync(lockOf(1), JSON.stringify({ id: 'another' }));
    // Another lock with the same beat is the clock.
    const other = join(folder.path, 'other.jsonl');
    const clock = await takeReplayLock(other, { signal: never, waiting: () => undefined }, times);
    const beat = (): number => (JSON.parse(readFileSync(`${other}.1.lock`, 'utf8')) as { beat: number }).beat;
    while (beat() < 4) await new Promise((resolve) => setImmediate(resolve));
    await clock.release();
    expect(readFileSync(lockOf(1), 'utf8')).to.equal(JSON.stringify({ id: 'another' }));
    rmSync(lockOf(1));
    expect(await reasonOf(lock.confirm())).to.match(/^REFUSED: .* was taken/);
    await lock.release();
  });

  it('is taken when the lock that it waits for is removed, and does not mind those of other replays', async () => {
    leave(1, { place: 'elsewhere' });
    writeFileSync(join(folder.path, 'another1.jsonl.5.lock'), JSON.stringify({ ...ownMark(), id: 'of another' }));
    whileWaiting = () => rmSync(lockOf(1));
    const lock = await take();
    await lock.confirm();
    await lock.release();
    expect(readdirSync(folder.path)).to.deep.equal(['another1.jsonl.5.lock']);
  });

  it('never has two holders, however many want it over a dead lock', async () => {
    for (let round = 0; round < 20; round += 1) {
      leave(1, { processId: 2 ** 22 + 1 });
      let held = 0;
      let most = 0;
      let taken = 0;
      const hold = async (): Promise<void> => {
        const lock = await take().catch((error: unknown) => {
          if (isKinactError(error) && error.code === 'REFUSED') return undefined;
          throw error;
        });
        if (lock === undefined) return;
        taken += 1;
        held += 1;
        most = Math.max(most, held);
        await lock.confirm();
        held -= 1;
        await lock.release();
      };
      await Promise.all(Array.from({ length: 8 }, hold));
      expect({ round, most: Math.min(1, most), over: most > 1 }).to.deep.equal({
        round,
        most: taken > 0 ? 1 : 0,
        over: false,
      });
    }
    expect(readdirSync(folder.path).filter((name) => !name.endsWith('.1.lock'))).to.deep.equal([]);
  });

  it('steps back before a holder that came meanwhile, under a new name or that of a dead one', async () => {
    if (process.platform !== 'linux') return;
    for (const number of [1, 7]) {
      leave(1, { processId: 2 ** 22 + 1 });
      leave(2, { place: 'elsewhere' });
      whileWaiting = () => leave(number, { id: `new-${number}` });
      expect(await reasonOf(take())).to.match(new RegExp(`^REFUSED: process ${process.pid} on`));
      expect(readFileSync(lockOf(number), 'utf8')).to.include(`new-${number}`);
      // A lock of its own that it left would stand for a process that lives.
      expect(existsSync(lockOf(3))).to.equal(false);
      for (const name of readdirSync(folder.path)) rmSync(join(folder.path, name));
    }
  });

  it('ends its waiting with its signal', async () => {
    leave(1, { place: 'elsewhere' });
    expect(await reasonOf(take(AbortSignal.abort()))).to.match(/^AbortError/);
  });
});

describe('a process mark', () => {
  it('knows itself as alive, and what is elsewhere not at all', () => {
    const own = ownMark();
    if (process.platform === 'linux') expect(isAlive(own)).to.equal(true);
    expect(isAlive({ ...own, place: 'elsewhere' })).to.equal(undefined);
    expect(isAlive({ ...own, startedAt: '' }), 'the process id may have another process').to.equal(undefined);
  });
});
