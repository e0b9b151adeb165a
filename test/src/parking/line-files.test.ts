// The reader of single lines opens each file once and reads it once, however the files take turns.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parkedLine } from '../../../src/parking/parked-line.js';
import { hostFiles, lineFiles, type FileCalls } from '../../../src/parking/line-files.js';
import { readParkedFolder } from '../../../src/parking/parked-folder.js';
import { never, parkedItem, temporaryFolder } from '../../support/parked.js';

describe('the lines of many files', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  beforeEach(() => (folder = temporaryFolder()));
  afterEach(() => folder.remove());

  const counting = (): FileCalls & { counts: { opened: number; reads: number; closed: number } } => {
    const counts = { opened: 0, reads: 0, closed: 0 };
    return {
      counts,
      open: (path) => ((counts.opened += 1), hostFiles.open(path)),
      read: (...args) => ((counts.reads += 1), hostFiles.read(...args)),
      close: (file) => ((counts.closed += 1), hostFiles.close(file)),
    };
  };
  /** Entry n is in file n % files, so each next entry is in another file. */
  const write = (files: number, entries: number): number => {
    const lines = Array.from({ length: files }, (): Buffer[] => []);
    for (let n = 0; n < entries; n += 1) lines[n % files]!.push(parkedLine(parkedItem(n)));
    for (const [index, some] of lines.entries())
      writeFileSync(
        join(folder.path, `parked-20260131T120000${String(index).padStart(3, '0')}Z-1.jsonl`),
        Buffer.concat(some),
      );
    return lines.flat().reduce((sum, { length }) => sum + length, 0);
  };

  for (const [files, entries] of [
    [1, 2_000],
    [3, 2_000],
    [32, 2_000],
  ] as const)
    it(`opens each of ${files} files once for ${entries} entries, and reads little more than what is in it`, async () => {
      const bytes = write(files, entries);
      const host = counting();
      const state = await readParkedFolder(folder.path, never, lineFiles(host));
      expect(host.counts.opened).to.equal(0);
      const keys: string[] = [];
      for (const entry of state.entries) keys.push((await entry.read()).idempotencyKey);
      await state.close();
      expect(keys).to.deep.equal(Array.from({ length: entries }, (_, n) => parkedItem(n).idempotencyKey));
      expect(host.counts).to.include({ opened: files, closed: files });
      expect(host.counts.reads).to.be.at.most(files + Math.ceil(bytes / (200 * 1024)));
    });

  it('keeps a bounded number of files open, and closes all', async () => {
    write(100, 300);
    const host = counting();
    let most = 0;
    const open: FileCalls['open'] = async (path) => {
      const file = await host.open(path);
      most = Math.max(most, host.counts.opened - host.counts.closed);
      return file;
    };
    const state = await readParkedFolder(folder.path, never, lineFiles({ ...host, open }));
    // At once: the reader puts them into a row.
    expect(await Promise.all(state.entries.map((entry) => entry.read()))).to.have.length(300);
    await state.close();
    expect(most).to.be.at.most(33);
    expect(host.counts.closed).to.equal(host.counts.opened);
  });

  it('says that a file has changed meanwhile', async () => {
    write(1, 2);
    const state = await readParkedFolder(folder.path, never);
    writeFileSync(join(folder.path, 'parked-20260131T120000000Z-1.jsonl'), 'short');
    const error: unknown = await state.entries[1]!.read().catch((reason: unknown) => reason);
    expect((error as Error).message).to.match(/was changed while it was read/);
    await state.close();
  });

  it('reads a line before the last one, too, and opens again the file that was unused longest', async () => {
    const paths = Array.from({ length: 33 }, (_, n) => join(folder.path, `file-${n}`));
    for (const [n, path] of paths.entries()) writeFileSync(path, `${n}:first\n${n}:second\n`);
    const opened: string[] = [];
    const host = counting();
    const files = lineFiles({ ...host, open: (path) => (opened.push(path), host.open(path)) });
    const read = async (n: number, offset: number, length: number): Promise<string> =>
      (await files.read({ path: paths[n]!, offset, length })).toString();
    expect([await read(0, 8, 8), await read(0, 0, 7)]).to.deep.equal(['0:second', '0:first']);
    for (let n = 1; n < 32; n += 1) await read(n, 0, 7);
    await read(0, 0, 7);
    await read(32, 0, 7);
    await read(0, 0, 7);
    expect(opened, 'file 1 had to go').to.have.length(33);
    await read(1, 0, 7);
    expect(opened.at(-1)).to.equal(paths[1]);
    await files.close();
  });

  it('closes what a read under way has opened', async () => {
    write(1, 1);
    const host = counting();
    const files = lineFiles(host);
    const path = join(folder.path, 'parked-20260131T120000000Z-1.jsonl');
    const line = files.read({ path, offset: 0, length: 1 });
    await files.close();
    await line;
    expect(host.counts).to.include({ opened: 1, closed: 1 });
  });
});
