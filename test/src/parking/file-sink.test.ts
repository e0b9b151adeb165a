// `fileSink` on a real folder, and how it groups, rotates, counts and names.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isKinactError } from '../../../src/api/errors.js';
import type { ParkingSink } from '../../../src/api/parking.js';
import { hostDisk } from '../../../src/parking/disk.js';
import { fileSink, openFileSink } from '../../../src/parking/file-sink.js';
import { readParkedFolder } from '../../../src/parking/parked-folder.js';
import { modelDisk, type DiskFault } from '../../support/model-disk.js';
import { never, parkedItem, temporaryFolder } from '../../support/parked.js';

const wall = (): number => Date.UTC(2026, 0, 31, 12);

const reasonOf = async (call: unknown): Promise<Error> => {
  try {
    await call;
  } catch (error) {
    return error as Error;
  }
  throw new Error('the call resolved');
};

describe('fileSink', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  const keysIn = async (path: string): Promise<string[]> =>
    (await readParkedFolder(path, never)).entries.map(({ idempotencyKey }) => idempotencyKey);

  it('creates the folder, and keeps every member of an item', async () => {
    const path = join(folder.path, 'a', 'b');
    const error = new TypeError('outer', { cause: Object.assign(new Error('inner'), { code: 'ECONNRESET' }) });
    const item = parkedItem(1, { data: Buffer.from([0, 255, 10, 13]), explicitHashKey: '17', error, key: '\ud800\n' });
    await fileSink({ path })(item, { signal: never });

    const { entries, complaints } = await readParkedFolder(path, never);
    expect(complaints).to.deep.equal([]);
    const { error: stored, ...rest } = await entries[0]!.read();
    const { error: _, ...given } = item;
    expect(rest).to.deep.equal(given);
    expect(stored).to.include({ name: 'TypeError', message: 'outer' });
    expect(stored.stack).to.include('file-sink.test');
    expect(stored.causes).to.have.length(1);
    expect(stored.causes[0]).to.include({ name: 'Error', message: 'inner', code: 'ECONNRESET' });
  });

  it('names a file by time and process, and lets only the user of the process read it', async () => {
    await fileSink({ path: folder.path })(parkedItem(1), { signal: never });
    const [name = '', ...others] = readdirSync(folder.path);
    expect(others).to.deep.equal([]);
    expect(name).to.match(new RegExp(`^parked-\\d{8}T\\d{9}Z-${process.pid}\\.jsonl$`));
    if (process.platform !== 'win32') expect(statSync(join(folder.path, name)).mode & 0o777).to.equal(0o600);
  });

  it('never opens a file of another process', async () => {
    const disk = modelDisk();
    const sinks = [1, 2].map(() => openFileSink({ path: '/data/parked' }, { disk, wallNow: wall, processId: 9 }));
    await Promise.all(sinks.map((sink, n) => sink(parkedItem(n), { signal: never })));
    expect(disk.live().size).to.equal(2);
  });

  it('shares one write and one sync among calls that come together', async () => {
    const disk = modelDisk();
    const sink = openFileSink({ path: '/data/parked' }, { disk, wallNow: wall, processId: 9 });
    await Promise.all(Array.from({ length: 50 }, (_, n) => sink(parkedItem(n), { signal: never })));
    expect([disk.writes, disk.syncs]).to.deep.equal([1, 1]);
  });

  it('begins a new file before one would pass maxFileBytes, and gives a larger item its own', async () => {
    const sink = fileSink({ path: folder.path, maxFileBytes: 1_500 });
    const small = Array.from({ length: 6 }, (_, n) => parkedItem(n, { error: 'x' }));
    await Promise.all(small.map((item) => sink(item, { signal: never })));
    await sink(parkedItem(7, { data: Buffer.alloc(9_000) }), { signal: never });
    await sink(parkedItem(8), { signal: never });
    const sizes = readdirSync(folder.path)
      .toSorted()
      .map((name) => statSync(join(folder.path, name)).size);
    expect(sizes.filter((size) => size > 1_500)).to.have.length(1);
    expect(sizes.length).to.be.at.least(4);
    expect(await keysIn(folder.path)).to.have.length(8);
  });

  it('counts the files of others in maxBytes, and names path, bytes and bound', async () => {
    writeFileSync(join(folder.path, 'other.txt'), Buffer.alloc(9_900));
    const sink = fileSink({ path: folder.path, maxBytes: 10_000 });
    const error = await reasonOf(sink(parkedItem(1), { signal: never }));
    expect(error.message).to.include(folder.path).and.include('9900').and.include('10000');
    expect(isKinactError(error) && [error.code, error.data]).to.deep.equal([
      'PARKING_FAILED',
      { path: folder.path, bytes: 9_900, maxBytes: 10_000 },
    ]);
    expect(readdirSync(folder.path)).to.deep.equal(['other.txt']);

    rmSync(join(folder.path, 'other.txt'));
    await sink(parkedItem(1), { signal: never });
    expect(await keysIn(folder.path)).to.have.length(1);
  });

  it('drops an item whose signal aborts while it waits, and no other', async () => {
    const aborting = new AbortController();
    const sink: ParkingSink = fileSink({ path: folder.path });
    const calls = [1, 2, 3].map((n) => sink(parkedItem(n), { signal: n === 2 ? aborting.signal : never }));
    aborting.abort(new Error('nobody waits'));
    expect((await reasonOf(calls[1])).message).to.equal('nobody waits');
    await Promise.all([calls[0], calls[2]]);
    expect(await keysIn(folder.path)).to.deep.equal([parkedItem(1), parkedItem(3)].map((item) => item.idempotencyKey));
    expect((await reasonOf(sink(parkedItem(4), { signal: aborting.signal }))).message).to.equal('nobody waits');
  });

  it('writes to a new folder when its folder was deleted', async () => {
    const path = join(folder.path, 'parked');
    const sink = fileSink({ path });
    await sink(parkedItem(1), { signal: never });
    rmSync(path, { recursive: true });
    await sink(parkedItem(2), { signal: never });
    expect(await keysIn(path)).to.deep.equal([parkedItem(2).idempotencyKey]);
  });

  it('says what the disk has refused', async () => {
    writeFileSync(join(folder.path, 'file'), '');
    const error = await reasonOf(fileSink({ path: join(folder.path, 'file') })(parkedItem(1), { signal: never }));
    expect(isKinactError(error) && error.code).to.equal('PARKING_FAILED');
    expect(error.message)
      .to.include(folder.path)
      .and.match(/EEXIST|ENOTDIR/);
  });

  it('appends no more to a file whose sync has failed, but goes on after a short write', async () => {
    const faults: DiskFault[] = [];
    const disk = modelDisk(
      (call) => (call === 'write' || call === 'sync' ? (faults.shift() ?? 'none') : 'none'),
      () => 1,
    );
    let now = wall();
    const host = { disk, wallNow: () => (now += 1), processId: 9 };
    const sink = openFileSink({ path: '/data/parked' }, host);
    await sink(parkedItem(1), { signal: never });
    faults.push('short');
    expect((await reasonOf(sink(parkedItem(2), { signal: never }))).message).to.include('only 1 of');
    await sink(parkedItem(3), { signal: never });
    expect(disk.live().size).to.equal(1);
    faults.push('none', 'fail');
    await reasonOf(sink(parkedItem(4), { signal: never }));
    await sink(parkedItem(5), { signal: never });
    expect([...disk.live().values()].map((text) => text.toString().split('\n').length - 1)).to.deep.equal([2, 1]);
  });

  it('refuses wrong options', () => {
    expect(() => fileSink({} as never)).to.throw('fileSink.path: expected path of a folder, got undefined');
    expect(() => fileSink({ path: '' })).to.throw('fileSink.path');
    expect(() => fileSink({ path: 'x', maxBytes: 0 })).to.throw('fileSink.maxBytes: expected integer >= 1, got 0');
    expect(() => fileSink({ path: 'x', maxFileByte: 1 } as never)).to.throw('maxFileBytes');
    expect(existsSync('x')).to.equal(false);
  });
});

describe('the reader of a folder', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  it('skips a torn last line, reports a garbled one with its place, and goes on', async () => {
    const sink = fileSink({ path: folder.path });
    await Promise.all([1, 2].map((n) => sink(parkedItem(n), { signal: never })));
    const [name = ''] = readdirSync(folder.path);
    const path = join(folder.path, name);
    const [first = '', second = ''] = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [first, '{"version":1,', '{"version":3}', second, second.slice(0, -1)].join('\n'));
    const { entries, complaints } = await readParkedFolder(folder.path, never);
    expect(entries.map(({ idempotencyKey }) => idempotencyKey)).to.deep.equal(
      [1, 2].map((n) => parkedItem(n).idempotencyKey),
    );
    expect(complaints).to.deep.equal([
      { place: `${path}:2`, reason: 'it is not JSON' },
      { place: `${path}:3`, reason: 'its version is 3; this kinact reads the versions 1 and 2' },
    ]);
  });

  it('skips a last line that lacks only its newline: its call was rejected', async () => {
    await fileSink({ path: folder.path })(parkedItem(1), { signal: never });
    const path = join(folder.path, readdirSync(folder.path)[0]!);
    writeFileSync(path, readFileSync(path).subarray(0, -1));
    expect((await readParkedFolder(folder.path, never)).entries).to.deep.equal([]);
  });

  it('shows each idempotency key once: the entry that was parked last', async () => {
    const sink = fileSink({ path: folder.path });
    for (const attempts of [1, 2, 3]) await sink(parkedItem(1, { attempts }), { signal: never });
    await fileSink({ path: folder.path })(parkedItem(1, { attempts: 9, parkedAt: 1 }), { signal: never });
    const { entries } = await readParkedFolder(folder.path, never);
    expect(entries).to.have.length(1);
    expect((await entries[0]!.read()).attempts).to.equal(3);
  });

  it('reads only files of parked items, and refuses a folder that is none', async () => {
    mkdirSync(join(folder.path, 'sub'));
    writeFileSync(join(folder.path, 'notes.jsonl'), 'x\n');
    expect(await readParkedFolder(folder.path, never)).to.deep.include({ entries: [], complaints: [] });
    const error = await reasonOf(readParkedFolder(join(folder.path, 'missing'), never));
    expect(isKinactError(error) && error.code).to.equal('REFUSED');
  });
});

describe('a folder that a file system does not take', () => {
  // Node's recursive mkdir does not end there, and no timer can stop it: so another process tries, with a bound.
  it('is refused at once, and no folder above it is left behind', function () {
    if (process.platform !== 'linux') return this.skip();
    const disk = new URL('../../../src/parking/disk.js', import.meta.url).href;
    const code = `import { hostDisk } from '${disk}';
      hostDisk.makeFolder('/proc/kinact-none/parked/orders').then(() => console.log('made'), ({ code, path }) => console.log(code, path));`;
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
      timeout: 10_000,
      killSignal: 'SIGKILL',
      encoding: 'utf8',
    });
    expect([signal, stdout]).to.deep.equal([null, 'ENOENT /proc/kinact-none\n']);
  });

  it('is named by the first one that was missing, and made with all above it, also where a file is in the way', async () => {
    const folder = temporaryFolder();
    after(folder.remove);
    const deep = join(folder.path, 'a', 'b', 'c');
    expect(await hostDisk.makeFolder(deep)).to.equal(join(folder.path, 'a'));
    expect(statSync(deep).mode & 0o777).to.equal(0o700);
    expect(await hostDisk.makeFolder(deep), 'it is there').to.equal(undefined);
    expect(await Promise.all([1, 2, 3].map(() => hostDisk.makeFolder(join(deep, 'd', 'e'))))).to.have.length(3);
    writeFileSync(join(deep, 'file'), '');
    expect(await reasonOf(hostDisk.makeFolder(join(deep, 'file')))).to.have.property('code', 'EEXIST');
    expect(await reasonOf(hostDisk.makeFolder(join(deep, 'file', 'x')))).to.have.property('code', 'ENOTDIR');
  });
});
