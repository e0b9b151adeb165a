// A disk in memory with a page cache, for the file sink: what is not synced may be lost from any byte on, and a failed sync forgets
// what it should have written. Faults are drawn per call.
import { posix } from 'node:path';
import type { Disk } from '../../src/parking/disk.js';

/** What the next call of the disk does. `short`: a write ends after some bytes; other calls fail. */
export type DiskFault = 'none' | 'fail' | 'short' | 'shortFail' | 'deleted';

interface ModelFile {
  /** As a reader of the running machine sees it. */
  cached: Buffer;
  /** As it is on the platter. */
  stored: Buffer;
  /** Changes that are not synced, in order. */
  pending: ((content: Buffer) => Buffer)[];
}

const failure = (code: string): Error => Object.assign(new Error(`${code}: drawn`), { code });

const written = (bytes: Uint8Array, position: number) => (content: Buffer) => {
  const end = Math.max(content.length, position + bytes.length);
  const next = Buffer.alloc(end);
  content.copy(next);
  next.set(bytes, position);
  return next;
};

export interface ModelDisk extends Disk {
  /** How often a cut could not be made, or could not be made durable. */
  readonly failedCuts: number;
  readonly syncs: number;
  readonly writes: number;
  /** The files of the folder, as the running machine shows them. */
  live(): ReadonlyMap<string, Buffer>;
  /** The files of the folder after a power cut. `draw` picks a number below its argument. */
  afterPowerCut(draw: (below: number) => number): ReadonlyMap<string, Buffer>;
  deleteFolder(): void;
}

/** `next` gives the fault of each call. The folder is `/data/parked`; `/data` exists. */
export function modelDisk(
  next: (call: string) => DiskFault = () => 'none',
  draw: (below: number) => number = () => 0,
): ModelDisk {
  const root = '/data';
  let folders = new Map<string, Map<string, ModelFile>>([[root, new Map()]]);
  let storedFolders = new Map<string, Map<string, ModelFile>>([[root, new Map()]]);
  const files: (ModelFile | undefined)[] = [];
  let wasCut: ModelFile | undefined;
  const counts = { failedCuts: 0, syncs: 0, writes: 0 };

  const deleteFolder = (): void => {
    for (const path of folders.keys()) if (path !== root) folders.delete(path);
    storedFolders = new Map([...folders].map(([path, entries]) => [path, new Map(entries)]));
  };
  const enter = async (call: string): Promise<DiskFault> => {
    await Promise.resolve();
    const fault = next(call);
    if (fault === 'deleted' && ['write', 'sync', 'create'].includes(call)) deleteFolder();
    return fault;
  };
  const orFail = async (call: string): Promise<void> => {
    if ((await enter(call)) === 'fail') throw failure('EIO');
  };
  const fileOf = (file: number): ModelFile => {
    const found = files[file];
    if (found === undefined) throw failure('EBADF');
    return found;
  };
  /** Some of what is pending reaches the platter. */
  const storeSome = (file: ModelFile, take: (below: number) => number): void => {
    const count = take(file.pending.length + 1);
    for (const change of file.pending.slice(0, count)) {
      const after = change(file.stored);
      const kept = file.stored.length + take(Math.max(0, after.length - file.stored.length) + 1);
      file.stored = after.subarray(0, Math.min(after.length, kept));
    }
  };

  return {
    get failedCuts() {
      return counts.failedCuts;
    },
    get syncs() {
      return counts.syncs;
    },
    get writes() {
      return counts.writes;
    },
    async makeFolder(path) {
      await orFail('makeFolder');
      let first: string | undefined;
      const parts = path.split('/').slice(1);
      parts.forEach((_, index) => {
        const at = `/${parts.slice(0, index + 1).join('/')}`;
        if (folders.has(at)) return;
        first ??= at;
        folders.set(at, new Map());
      });
      return first;
    },
    async syncFolder(path) {
      await orFail('syncFolder');
      const entries = folders.get(path);
      if (entries === undefined) throw failure('ENOENT');
      if (storedFolders.has(path)) storedFolders.set(path, new Map(entries));
      for (const child of folders.keys())
        if (posix.dirname(child) === path && child !== path && !storedFolders.has(child))
          storedFolders.set(child, new Map());
      // The folder may get its own name on the platter only later.
      if (!storedFolders.has(path)) throw new Error('a folder is synced before its name: sync the parent first');
    },
    async folderBytes(path) {
      await orFail('folderBytes');
      return [...(folders.get(path)?.values() ?? [])].reduce((sum, { cached }) => sum + cached.length, 0);
    },
    async create(path) {
      await orFail('create');
      const entries = folders.get(posix.dirname(path));
      if (entries === undefined) throw failure('ENOENT');
      if (entries.has(posix.basename(path))) throw failure('EEXIST');
      const file: ModelFile = { cached: Buffer.alloc(0), stored: Buffer.alloc(0), pending: [] };
      entries.set(posix.basename(path), file);
      files.push(file);
      return files.length - 1;
    },
    async write(descriptor, bytes, position) {
      counts.writes += 1;
      const fault = await enter('write');
      const file = fileOf(descriptor);
      const isShort = fault === 'short' || fault === 'shortFail';
      const length = fault === 'fail' ? 0 : isShort ? draw(bytes.length) : bytes.length;
      const change = written(Buffer.from(bytes.subarray(0, length)), position);
      file.cached = change(file.cached);
      file.pending.push(change);
      if (fault === 'fail' || fault === 'shortFail') throw failure('ENOSPC');
      return length;
    },
    async truncate(descriptor, bytes) {
      const file = fileOf(descriptor);
      wasCut = file;
      await orFail('truncate').catch((error: unknown) => {
        counts.failedCuts += 1;
        throw error;
      });
      const change = (content: Buffer): Buffer => content.subarray(0, bytes);
      file.cached = change(file.cached);
      file.pending.push(change);
    },
    async sync(descriptor) {
      counts.syncs += 1;
      const fault = await enter('sync');
      const file = fileOf(descriptor);
      const isCut = wasCut === file;
      wasCut = undefined;
      if (fault !== 'fail') for (const change of file.pending) file.stored = change(file.stored);
      else storeSome(file, draw);
      file.pending = [];
      if (fault !== 'fail') return;
      if (isCut) counts.failedCuts += 1;
      throw failure('EIO');
    },
    async isAt(descriptor, path) {
      await orFail('isAt');
      return folders.get(posix.dirname(path))?.get(posix.basename(path)) === fileOf(descriptor);
    },
    async close(descriptor) {
      await orFail('close');
      files[descriptor] = undefined;
    },
    async remove(path) {
      await orFail('remove');
      if (folders.get(posix.dirname(path))?.delete(posix.basename(path)) !== true) throw failure('ENOENT');
    },
    live: () => contents(folders),
    afterPowerCut(take) {
      const all = [...folders.values(), ...storedFolders.values()].flatMap((entries) => [...entries.values()]);
      for (const file of new Set(all)) {
        storeSome(file, take);
        file.pending = [];
        file.cached = file.stored;
      }
      folders = new Map([...storedFolders].map(([path, entries]) => [path, new Map(entries)]));
      return contents(folders);
    },
    deleteFolder,
  };
}

function contents(folders: ReadonlyMap<string, ReadonlyMap<string, ModelFile>>): ReadonlyMap<string, Buffer> {
  return new Map([...(folders.get('/data/parked') ?? [])].map(([name, { cached }]) => [name, cached]));
}
